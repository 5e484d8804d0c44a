"""Experiments laid out as open_lth and ElasticLTH lay them out."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import torch

from core.families import architecture
from core.families.architecture import Architecture
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign, Given

State = dict[str, torch.Tensor]
Import = Callable[..., tuple[str, list[Foreign]]]
Same = Callable[..., None]
Files = dict[str, bytes]
ROOT = "lottery_0a1b/replicate_2"


class Experiment:
    """A rewound experiment of two levels: θ_0 in level_pretrain, θ_k and the final model in level 0."""

    def __init__(
        self, network: Architecture, sample: Callable[..., Any], save: Callable[[Any], bytes], prefix: str
    ) -> None:
        self.initial, self.masks = sample(network, 1)
        self.rewound, _ = sample(network, 2)
        self.final, _ = sample(network, 3)
        self.save, self.prefix = save, prefix

    def pth(self, state: State) -> bytes:
        return self.save({f"{self.prefix}{name}": tensor for name, tensor in state.items()})

    def mask(self, masks: State) -> bytes:
        return self.pth({name: mask.int() for name, mask in masks.items()})

    def report(self) -> bytes:
        total = sum(mask.numel() for mask in self.masks.values())
        unpruned = sum(int(mask.sum()) for mask in self.masks.values())
        report = {"total": float(total), "unpruned": float(unpruned), "sparsity_ratio": unpruned / total}
        return json.dumps(report).encode()

    def files(self, step: str = "ep0_it1000", end: str = "ep2_it0") -> Files:
        pruned = {n: t * self.masks[n] if n in self.masks else t for n, t in self.rewound.items()}
        ones = {name: torch.ones_like(mask) for name, mask in self.masks.items()}
        return {
            f"{ROOT}/level_pretrain/main/model_ep0_it0.pth": self.pth(self.initial),
            f"{ROOT}/level_pretrain/main/model_{step}.pth": self.pth(self.rewound),
            f"{ROOT}/level_0/main/mask.pth": self.mask(ones),
            f"{ROOT}/level_0/main/model_{step}.pth": self.pth(self.rewound),
            f"{ROOT}/level_0/main/model_{end}.pth": self.pth(self.final),
            f"{ROOT}/level_0/main/logger": b"test_loss,0,2.3\n",
            f"{ROOT}/level_0/main/hparams.log": b"Dataset Hyperparameters\n",
            f"{ROOT}/level_1/main/mask.pth": self.mask(self.masks),
            f"{ROOT}/level_1/main/model_{step}.pth": self.pth(pruned),
            f"{ROOT}/level_1/main/sparsity_report.json": self.report(),
            f"{ROOT}/level_1/branch_xyz/mask.pth": b"another experiment",
            "lottery_0a1b/README": b"hello",
        }


@pytest.fixture(params=["", "model."], ids=["plain", "wrapped"])
def experiment(
    request: pytest.FixtureRequest,
    network: Architecture,
    sample: Callable[..., Any],
    save: Callable[[Any], bytes],
) -> Experiment:
    return Experiment(network, sample, save, request.param)


def zipped(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def refused(read: Callable[[], Any]) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read()
    return caught.value


class TestRead:
    @pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
    def test_a_whole_experiment_is_one_ticket_per_level(
        self, kind: str, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import, same: Same
    ) -> None:
        files = experiment.files()
        content = zipped(files) if kind == "zip" else tar(files, "w:gz" if kind == "tar.gz" else "w")
        name, (dense, ticket) = import_bytes(content)
        assert name == "open_lth"
        assert [(found.level, found.seed, found.rewind_step) for found in (dense, ticket)] == [
            (0, 2, 1000),
            (1, 2, 1000),
        ]
        same(ticket.weights, experiment.rewound)
        same(ticket.masks, experiment.masks)
        same(ticket.initial, experiment.initial)
        assert ticket.dense
        assert not dense.dense
        assert all(mask.all() for mask in (dense.masks or {}).values())
        assert ticket.details == {"model": "model_ep0_it1000.pth"}

    def test_one_level_alone_has_its_own_model(
        self, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import, same: Same
    ) -> None:
        files = {
            name.removeprefix(f"{ROOT}/"): content
            for name, content in experiment.files().items()
            if "/level_1/main/" in name
        }
        _, (ticket,) = import_bytes(tar(files))
        pruned = {
            n: t * experiment.masks[n] if n in experiment.masks else t for n, t in experiment.rewound.items()
        }
        same(ticket.weights, pruned)
        same(ticket.masks, experiment.masks)
        assert (ticket.level, ticket.seed, ticket.initial, ticket.dense) == (1, None, None, False)

    @pytest.mark.parametrize("folder", ["", "main/", "./"])
    def test_the_folder_of_a_level_takes_the_level_that_is_given(
        self, folder: str, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import
    ) -> None:
        files = {
            f"{folder}{name.split('/')[-1]}": content
            for name, content in experiment.files().items()
            if "/level_1/main/" in name
        }
        _, (ticket,) = import_bytes(tar(files), given=Given(level=6))
        assert ticket.level == 6

    def test_without_rewinding_level_0_starts_at_the_initial_model(
        self, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import, same: Same
    ) -> None:
        files = {
            name: content
            for name, content in experiment.files(step="ep0_it0").items()
            if "pretrain" not in name
        }
        _, (_, ticket) = import_bytes(tar(files))
        same(ticket.weights, experiment.rewound)
        same(ticket.initial, experiment.rewound)
        assert ticket.rewind_step == 0

    def test_only_the_level_that_is_asked_for(
        self, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import
    ) -> None:
        _, (ticket,) = import_bytes(tar(experiment.files()), given=Given(level=1))
        assert ticket.level == 1
        caught = refused(lambda: import_bytes(tar(experiment.files()), given=Given(level=5)))
        assert (caught.reason, caught.accepted) == (Reason.LEVEL_MISSING, "level_5/main/mask.pth")

    def test_every_replicate_is_a_seed(
        self, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import
    ) -> None:
        files = experiment.files()
        more = {name.replace("replicate_2", "replicate_5"): content for name, content in files.items()}
        _, found = import_bytes(tar({**files, **more}))
        assert sorted((ticket.seed, ticket.level) for ticket in found) == [(2, 0), (2, 1), (5, 0), (5, 1)]


class TestStep:
    def test_epochs_need_the_steps_per_epoch(
        self, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import
    ) -> None:
        content = tar(experiment.files(step="ep5_it3", end="ep90_it0"))
        caught = refused(lambda: import_bytes(content))
        assert (caught.reason, caught.where) == (Reason.STEP_UNKNOWN, "model_ep5_it3.pth")
        _, (_, ticket) = import_bytes(content, given=Given(steps_per_epoch=100))
        assert ticket.rewind_step == 503

    def test_a_step_that_is_asked_for(
        self, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import, same: Same
    ) -> None:
        content = tar(experiment.files())
        _, (_, ticket) = import_bytes(content, given=Given(rewind_step=2 * 391, steps_per_epoch=391))
        same(ticket.weights, experiment.final)
        assert ticket.rewind_step == 782
        caught = refused(lambda: import_bytes(content, given=Given(rewind_step=5)))
        assert caught.reason is Reason.STEP_UNKNOWN
        assert "model_ep0_it1000.pth" in caught.accepted


class TestReport:
    @pytest.mark.parametrize("key", ["sparsity_ratio", "unpruned", "total"])
    def test_one_that_disagrees_is_refused(
        self, key: str, experiment: Experiment, tar: Callable[..., bytes], import_bytes: Import
    ) -> None:
        files = experiment.files()
        report = json.loads(experiment.report())
        # The ratio that its name promises is 1 − density.
        report[key] = 1 - report[key]
        files[f"{ROOT}/level_1/main/sparsity_report.json"] = json.dumps(report).encode()
        caught = refused(lambda: import_bytes(tar(files)))
        assert (caught.reason, caught.where) == (Reason.REPORT_DISAGREES, f"sparsity_report.json, {key}")


class TestNames:
    def test_torchvision_networks_lose_the_prefix(
        self,
        sample: Callable[..., Any],
        save: Callable[[Any], bytes],
        tar: Callable[..., bytes],
        import_bytes: Import,
    ) -> None:
        network = architecture("cifarhe_resnet_18_4", (3, 32, 32), 10)
        experiment = Experiment(network, sample, save, "model.")
        _, (_, ticket) = import_bytes(tar(experiment.files()))
        assert list(ticket.weights) == [spec.name for spec in network.tensors]
        assert list(ticket.masks or {}) == [spec.name for spec in network.prunable]
