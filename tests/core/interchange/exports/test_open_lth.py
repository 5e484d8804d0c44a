"""The open_lth folder, opened by that code's own rules."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.families import architecture
from core.interchange.exports.source import Source
from core.models import build

Same = Callable[[np.ndarray, np.ndarray], bool]
Written = Callable[[str, Source], Path]


def unpacked(path: Path) -> Path:
    """The one folder of the one level."""
    with tarfile.open(path) as tar:
        tar.extractall(path.parent / "lottery", filter="data")
    (folder,) = (path.parent / "lottery").glob("level_*/main")
    return folder


def prunable_layer_names(network: torch.nn.Module) -> list[str]:
    """Its rule: the weights of convolutions and linear layers, in the order of modules."""
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    return [f"{name}.weight" for name, module in network.named_modules() if isinstance(module, kinds)]


class TestWrite:
    def test_the_mask_is_one_of_that_code(self, source: Source, written: Written) -> None:
        mask = torch.load(unpacked(written("open_lth", source)) / "mask.pth", weights_only=True)
        assert list(mask) == prunable_layer_names(build(source.ticket.architecture))
        for name, expected in source.ticket.bool_masks().items():
            assert mask[name].dtype == torch.int32
            assert np.array_equal(mask[name].numpy(), expected.astype(np.int32))

    def test_the_model_loads_strictly(self, source: Source, written: Written, identical: Same) -> None:
        folder = unpacked(written("open_lth", source))
        state = torch.load(folder / "model_ep0_it7.pth", weights_only=True)
        build(source.ticket.architecture).load_state_dict(state, strict=True)
        assert all(identical(state[name].numpy(), array) for name, array in source.ticket.weights().items())

    def test_the_report_has_the_density(self, source: Source, written: Written) -> None:
        folder = unpacked(written("open_lth", source))
        report = json.loads((folder / "sparsity_report.json").read_text())
        mask = torch.load(folder / "mask.pth", weights_only=True)
        unpruned = sum(int(tensor.sum()) for tensor in mask.values())
        total = sum(tensor.numel() for tensor in mask.values())
        assert report == {"total": total, "unpruned": unpruned, "sparsity_ratio": unpruned / total}

    @pytest.mark.parametrize(("level", "folder"), [(2, "level_2"), (0, "level_0"), (None, "level_0")])
    def test_the_folder_is_the_nominal_level(
        self, level: int | None, folder: str, source: Source, written: Written
    ) -> None:
        other = replace(source, metadata=source.metadata.model_copy(update={"level": level}))
        assert unpacked(written("open_lth", other)).parent.name == folder

    @pytest.mark.parametrize(
        ("step", "per_epoch", "file"),
        [
            (1000, 391, "model_ep2_it218.pth"),
            (782, 391, "model_ep2_it0.pth"),
            (390, 391, "model_ep0_it390.pth"),
            (0, 391, "model_ep0_it0.pth"),
            (1000, None, "model_ep0_it1000.pth"),
        ],
    )
    def test_the_model_file_is_named_after_the_step(
        self, step: int, per_epoch: int | None, file: str, sourced: Callable[..., Source], written: Written
    ) -> None:
        source = sourced(architecture("mlp_1", (1, 2, 2), 3), rewind_step=step)
        folder = unpacked(written("open_lth", replace(source, steps_per_epoch=per_epoch)))
        assert {one.name for one in folder.iterdir()} == {"mask.pth", "sparsity_report.json", file}

    def test_members_are_plain_files_without_owner_or_time(self, source: Source, written: Written) -> None:
        with tarfile.open(written("open_lth", source)) as tar:
            members = tar.getmembers()
        assert [member.name for member in members] == sorted(member.name for member in members)
        for member in members:
            assert member.isreg()
            assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 0)
            assert member.mode == 0o644

    @pytest.mark.parametrize("name", ["imagenet_resnet_18_2", "cifarhe_resnet_18_2"])
    def test_networks_around_torchvision_have_the_model_prefix(
        self, name: str, sourced: Callable[..., Source], written: Written, identical: Same
    ) -> None:
        source = sourced(architecture(name, (3, 32, 32), 5))
        folder = unpacked(written("open_lth", source))
        mask = torch.load(folder / "mask.pth", weights_only=True)
        state = torch.load(folder / "model_ep0_it7.pth", weights_only=True)
        wrapped = torch.nn.Module()
        wrapped.model = build(source.ticket.architecture)
        wrapped.load_state_dict(state, strict=True)
        assert list(mask) == prunable_layer_names(wrapped)
        for name, array in source.ticket.weights().items():
            assert identical(state[f"model.{name}"].numpy(), array)
