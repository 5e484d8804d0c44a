"""Foreign files become tickets: the right architecture, masks for every prunable tensor, dense weights where known."""

import hashlib
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from core.families import architecture
from core.families.definition import Definition
from core.families.initialisation import initialise
from core.interchange.failure import Reason, Unreadable
from core.jobs.specs import ExportSpec, ImportSpec
from core.models import build
from core.tickets import InvalidTicket, Metadata, Ticket, TicketFile, write

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench


def spec(**fields: Any) -> ImportSpec:
    return ImportSpec.model_validate({"sha256": "0" * 64, "size": 1, **fields})


def network(name: str = "cifar_resnet_8_4") -> nn.Module:
    """A network whose weights are none of them zero."""
    torch.manual_seed(0)
    model = build(architecture(name, (3, 32, 32) if "cifar" in name else (1, 8, 8), 10))
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model


def imported(
    bench: "Bench", path: Path, definitions: list[dict[str, Any]] | None = None, **fields: Any
) -> list[TicketFile]:
    outcome = bench.run(spec(**fields), upload=str(path), definitions=definitions or [])
    return bench.made(outcome)


def saved(state: Any, tmp_path: Path) -> Path:
    path = tmp_path / "upload"
    torch.save(state, path)
    return path


class TestArchitecture:
    def test_is_recognised_by_names_and_shapes(self, bench: "Bench", tmp_path: Path) -> None:
        (made,) = imported(bench, saved(network().state_dict(), tmp_path))
        assert made.ticket.architecture == architecture("cifar_resnet_8_4", (3, 32, 32), 10)

    def test_the_image_size_that_shapes_cannot_tell_is_told(self, bench: "Bench", tmp_path: Path) -> None:
        (made,) = imported(bench, saved(network().state_dict(), tmp_path), input=(3, 16, 16))
        assert made.ticket.architecture.input == (3, 16, 16)

    def test_the_image_size_is_that_of_the_dataset_it_was_found_on(
        self, bench: "Bench", tmp_path: Path
    ) -> None:
        state = network().state_dict() | {"conv.weight": torch.randn(4, 1, 3, 3)}
        (made,) = imported(bench, saved(state, tmp_path), dataset="mnist")
        assert made.ticket.architecture == architecture("cifar_resnet_8_4", (1, 28, 28), 10)

    def test_an_alias_names_its_network(self, bench: "Bench", tmp_path: Path) -> None:
        state = network("mlp_1_5_5").state_dict()
        (made,) = imported(bench, saved(state, tmp_path), architecture="lenet_5_5")
        assert made.ticket.architecture.name == "mlp_1_5_5"

    def test_a_posted_family_that_cannot_be_pruned_so_is_passed_over(
        self, bench: "Bench", tmp_path: Path
    ) -> None:
        posted = {
            "name": "stiff",
            "prunable": ["b.weight"],
            "tensors": {"a.weight": [4, 4], "b.weight": [4, 4]},
        }
        state = {"a.weight": torch.randn(4, 4), "b.weight": torch.randn(4, 4)}
        masked = {**state, "a.weight_mask": torch.eye(4)}
        (made,) = imported(bench, saved(masked, tmp_path), [posted])
        assert made.ticket.architecture.family != "stiff"
        assert made.ticket.masks["a.weight"].survivors == 4
        (made,) = imported(bench, saved(state, tmp_path), [posted])
        assert made.ticket.architecture.family == "stiff"

    def test_one_that_is_named_and_is_another_is_refused_at_the_first_difference(
        self, bench: "Bench", tmp_path: Path
    ) -> None:
        path = saved(network().state_dict(), tmp_path)
        with pytest.raises(Unreadable) as refused:
            imported(bench, path, architecture="mlp_1")
        assert refused.value.reason is Reason.TENSOR_MISSING
        with pytest.raises(Unreadable, match=r"\[8, 3, 3, 3\]") as refused:
            imported(bench, path, architecture="cifar_resnet_8_8")
        assert refused.value.reason is Reason.TENSOR_SHAPE
        with pytest.raises(Unreadable) as refused:
            imported(bench, path, architecture="resnet_8")
        assert refused.value.reason is Reason.ARCHITECTURE_UNKNOWN
        assert not bench.tickets

    def test_a_posted_family_is_recognised_and_named(self, bench: "Bench", tmp_path: Path) -> None:
        posted = {
            "name": "tower",
            "stages": [{"name": "blocks", "pattern": "blocks.{unit}."}],
            "prunable": ["*.weight"],
            "tensors": {"blocks.0.weight": [4, 4], "blocks.1.weight": [4, 4]},
        }
        state = {f"blocks.{i}.weight": torch.randn(4, 4) for i in range(3)}
        for named in ({}, {"architecture": "tower"}, {"architecture": "tower:3"}):
            (made,) = imported(bench, saved(state, tmp_path), [posted], **named)
            assert made.ticket.architecture.name == "tower:3"

    def test_an_unknown_network_gets_a_family_of_its_own(self, bench: "Bench", tmp_path: Path) -> None:
        state = {f"encoder.layer.{i}.dense.weight": torch.randn(4, 4) for i in range(3)}
        (made,) = imported(bench, saved(state, tmp_path))
        found = made.ticket.architecture
        assert [len(stage.units) for stage in found.anatomy.stages] == [3]
        again = {name: torch.randn(4, 4) for name in state}
        (other,) = imported(bench, saved(again, tmp_path))
        assert other.ticket.architecture == found
        assert Definition.model_validate_json(found.definition).name == found.family


class TestMasks:
    def test_of_torch_prune_with_what_is_not_pruned_left_whole(self, bench: "Bench", tmp_path: Path) -> None:
        model = network()
        prune.random_unstructured(model.get_submodule("blocks.1.conv1"), "weight", 0.6)
        mask = model.get_buffer("blocks.1.conv1.weight_mask").numpy() == 1
        before = model.get_parameter("blocks.1.conv1.weight_orig").detach().numpy().copy()
        (made,) = imported(bench, saved(model.state_dict(), tmp_path))
        found = made.ticket.bool_masks()
        assert np.array_equal(found["blocks.1.conv1.weight"], mask)
        assert np.array_equal(made.ticket.weight("blocks.1.conv1.weight"), np.where(mask, before, 0))
        assert all(other.all() for name, other in found.items() if name != "blocks.1.conv1.weight")
        assert made.metadata.method == "import"
        assert made.metadata.details["format"] == "torch_prune"

    def test_zeros_are_a_mask_and_said_to_be_one(self, bench: "Bench", tmp_path: Path) -> None:
        state = network().state_dict()
        state["fc.weight"][0] = 0
        (made,) = imported(bench, saved(state, tmp_path))
        assert np.array_equal(made.ticket.bool_masks()["fc.weight"], state["fc.weight"].numpy() != 0)
        assert "inferred" in str(made.metadata.details["mask"])


class TestDenseWeights:
    def test_weights_under_a_mask_are_kept_for_ablations(self, bench: "Bench", tmp_path: Path) -> None:
        model = network("mlp_2_6_5")
        prune.random_unstructured(model.get_submodule("fc_layers.1"), "weight", 0.5)
        state = model.state_dict()
        imported(bench, saved(state, tmp_path), rewind_step=4)
        ((identity, given),) = bench.tickets.items()
        assert list(given.weights) == ["4"]
        assert bench.ticket(identity).rewind_step == 4

    def test_a_counter_that_the_file_leaves_out_is_0(self, bench: "Bench", tmp_path: Path) -> None:
        state = {name: value for name, value in network().state_dict().items() if "num_batches" not in name}
        (made,) = imported(bench, saved(state, tmp_path))
        assert made.ticket.dense["bn.num_batches_tracked"] == 0


class TestInitialWeights:
    @pytest.mark.parametrize("fault", ["shape", "missing", "dtype"])
    def test_those_of_another_network_are_refused(self, bench: "Bench", tmp_path: Path, fault: str) -> None:
        state = network("mlp_1_5_5").state_dict()
        initial = dict(state)
        if fault == "shape":
            initial["fc.weight"] = torch.ones(2, 2)
        elif fault == "missing":
            del initial["fc.bias"]
        else:
            initial["fc.bias"] = torch.ones(10, dtype=torch.int64)
        masks = {name: torch.ones_like(t, dtype=torch.int32) for name, t in state.items() if t.ndim > 1}
        folder = tmp_path / "level_0" / "main"
        folder.mkdir(parents=True)
        torch.save(masks, folder / "mask.pth")
        torch.save(initial, folder / "model_ep0_it0.pth")
        torch.save(state, folder / "model_ep0_it5.pth")
        with tarfile.open(tmp_path / "upload", "w") as archive:
            archive.add(tmp_path / "level_0", "level_0")
        with pytest.raises(Unreadable):
            imported(bench, tmp_path / "upload", rewind_step=5)
        assert not bench.tickets


class TestFacts:
    def test_what_the_sender_says_goes_with_the_ticket(self, bench: "Bench", tmp_path: Path) -> None:
        path = saved(network().state_dict(), tmp_path)
        (made,) = imported(bench, path, dataset="cifar10", seed=4, level=9, rewind_step=1000)
        said = made.metadata
        assert (said.dataset, said.seed, said.level, made.ticket.rewind_step) == ("cifar10", 4, 9, 1000)

    def test_a_ticket_that_was_exported_comes_back_as_itself(self, bench: "Bench", tmp_path: Path) -> None:
        state = network("mlp_2_6_5").state_dict()
        state["fc.weight"][:, 0] = 0
        imported(bench, saved(state, tmp_path), input=(1, 8, 8))
        (identity,) = bench.tickets
        for name in ("safetensors", "torch_prune", "open_lth", "dense", "huggingface"):
            (copy,) = bench.run(ExportSpec(ticket=identity, format=name)).copies
            (made,) = bench.run(
                spec(input=(1, 8, 8)), upload=str(bench.diary.artifacts.path(copy.digest))
            ).tickets
            assert list(bench.tickets) == [identity], name
            assert made.digest


class TestProposedFamilies:
    def test_another_order_of_the_same_tensors_is_recognised_by_the_first(
        self, bench: "Bench", tmp_path: Path
    ) -> None:
        state = {f"layers.{i}.weight": torch.randn(4, 4) for i in range(3)} | {
            "head.weight": torch.randn(2, 4)
        }
        (first,) = imported(bench, saved(state, tmp_path))
        turned = dict(reversed(state.items()))
        (unknown,) = imported(bench, saved(turned, tmp_path))
        assert unknown.ticket.architecture.family != first.ticket.architecture.family
        known = Definition.model_validate_json(first.ticket.architecture.definition)
        (again,) = imported(bench, saved(turned, tmp_path), [known.model_dump(mode="json")])
        assert again.ticket.architecture == first.ticket.architecture


class TestOwn:
    """A ticket file is kept as it is: it says everything itself."""

    @pytest.fixture
    def ours(self, tmp_path: Path) -> Path:
        plain, path = architecture("mlp_1", (1, 8, 8), 10), tmp_path / "ours"
        masks = {one.name: np.ones(one.shape, np.bool_) for one in plain.prunable}
        ticket = Ticket.from_dense(plain, 3, masks, initialise(plain, 1))
        with path.open("wb") as stream:
            write(ticket, Metadata(dataset="digits", method="imp", seed=1, level=4), stream)
        return path

    def test_its_bytes_and_what_it_says_stay(self, bench: "Bench", ours: Path) -> None:
        outcome = bench.run(spec(), upload=str(ours))
        (made,) = outcome.tickets
        assert made.digest == hashlib.sha256(ours.read_bytes()).hexdigest()
        (file,) = bench.made(outcome)
        assert (file.metadata.method, file.metadata.level, file.ticket.rewind_step) == ("imp", 4, 3)

    def test_nothing_may_be_said_of_it(self, bench: "Bench", ours: Path) -> None:
        with pytest.raises(Unreadable, match="level") as caught:
            bench.run(spec(level=2), upload=str(ours))
        assert caught.value.reason == Reason.FORMAT_MISMATCH

    def test_a_damaged_one_is_refused(self, bench: "Bench", ours: Path) -> None:
        ours.write_bytes(ours.read_bytes()[:-1])
        with pytest.raises(InvalidTicket):
            bench.run(spec(), upload=str(ours))
