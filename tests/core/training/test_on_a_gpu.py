"""What only shows on a GPU: capture, streams, determinism. Skipped where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.datasets import Dataset
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe
from core.pruning.evolution import Evolution
from core.training.checkpoint import TrainingState
from core.training.loop import Replicate, Trained, train
from core.training.mode import EXACT, Mode, fast_modes
from core.training.tuning import Tuner, Work

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = torch.device("cuda")
ADAM = {"optimizer": "adam", "momentum": 0, "lr": 0.001}
BOTH = pytest.mark.parametrize("change", [{}, ADAM], ids=["sgd", "adam"])


class Bench:
    """A network, images and a start, trained over and over in other ways."""

    def __init__(
        self, network: Architecture, dataset: Dataset, recipe: Recipe, start: Any, recorder: Any
    ) -> None:
        self.network, self.dataset, self.recipe, self.recorder = network, dataset, recipe, recorder
        self.fresh = TrainingState.fresh(start.weights, start.masks)

    def train(
        self,
        mode: Mode,
        change: dict[str, Any],
        state: TrainingState | None = None,
        evolution: Evolution | None = None,
    ) -> tuple[Trained, Any]:
        recipe = Recipe.model_validate(self.recipe.model_dump() | change)
        observer = self.recorder()
        replicate = Replicate(5, state or self.fresh, observer, evolution)
        return train(self.network, self.dataset, recipe, [replicate], mode=mode, device=GPU)[0], observer


@pytest.fixture
def on_gpu(resnet: Architecture, photographs: Dataset, recipe: Recipe, start: Any, recorder: Any) -> Bench:
    return Bench(resnet, photographs, recipe, start, recorder)


@BOTH
class TestGraphs:
    """Epochs of 5 whole batches and one of 4 images: warm-up, capture and replays with eager steps between them."""

    def test_a_graphed_training_is_the_eager_one(self, on_gpu: Bench, change: dict[str, Any]) -> None:
        _, eager = on_gpu.train(Mode(), change)
        _, graphed = on_gpu.train(Mode(graphed=True), change)
        for one, other in zip(graphed.records, eager.records, strict=True):
            assert one.train_loss == pytest.approx(other.train_loss, rel=0.02)
        for one, other in zip(graphed.states[:9], eager.states[:9], strict=True):
            for name, array in other.weights.items():
                assert np.allclose(one.weights[name], array, rtol=0.05, atol=0.01), (one.step, name)

    def test_pruned_weights_stay_0_in_every_replay(self, on_gpu: Bench, change: dict[str, Any]) -> None:
        _, graphed = on_gpu.train(Mode(precision="bfloat16", graphed=True), change)
        for state in graphed.states:
            for name, mask in state.masks.items():
                assert (state.weights[name][~mask] == 0).all()

    def test_the_learning_rate_of_a_replay_is_that_of_its_step(
        self, on_gpu: Bench, change: dict[str, Any]
    ) -> None:
        still = change | {"milestones": ("10it",), "gamma": 1e-30}
        _, graphed = on_gpu.train(Mode(graphed=True), still)
        parameters = {name for slot in graphed.states[-1].slots.values() for name in slot}
        for name in parameters:
            assert np.array_equal(graphed.states[10].weights[name], graphed.states[-1].weights[name])

    def test_a_training_goes_on_from_any_state(self, on_gpu: Bench, change: dict[str, Any]) -> None:
        whole, observer = on_gpu.train(Mode(graphed=True), change)
        resumed, _ = on_gpu.train(Mode(graphed=True), change, observer.states[8])
        assert resumed.last.train_loss == pytest.approx(whole.last.train_loss, rel=0.05)


MODES = [*fast_modes(GPU), Mode(precision="bfloat16", compiled=True, graphed=True)]


class TestModes:
    @pytest.mark.parametrize("mode", MODES, ids=str)
    def test_every_mode_trains(self, on_gpu: Bench, mode: Mode) -> None:
        _, exact = on_gpu.train(EXACT, {})
        _, fast = on_gpu.train(mode, {})
        for one, other in zip(fast.records, exact.records, strict=True):
            assert one.train_loss == pytest.approx(other.train_loss, rel=0.1)

    def test_the_tuner_finds_one(self, on_gpu: Bench, tmp_path: Any) -> None:
        replicate = Replicate(5, on_gpu.fresh, on_gpu.recorder())
        work = Work(on_gpu.network, on_gpu.dataset, on_gpu.recipe, [replicate], 10**7)
        for _ in range(2):  # the second time everything is known
            assert not Tuner(tmp_path, GPU).mode(work).exact


class TestExact:
    @BOTH
    def test_two_trainings_end_in_the_same_bits_even_after_a_fast_one(
        self, on_gpu: Bench, change: dict[str, Any], digest: Any
    ) -> None:
        on_gpu.train(Mode(), change)
        (first, observer), (second, _) = (on_gpu.train(EXACT, change) for _ in range(2))
        resumed, _ = on_gpu.train(EXACT, change, observer.states[8])
        assert digest(first.weights) == digest(second.weights) == digest(resumed.weights)


@pytest.mark.parametrize("grow", ["rigl", "set"])
class TestEvolving:
    """Masks that change on the device: after steps 0, 4, 8 and 12 of 20."""

    def test_every_layer_keeps_its_count(self, on_gpu: Bench, grow: Any) -> None:
        trained, observer = on_gpu.train(Mode(), {}, evolution=Evolution(grow, 0.3, 4, 0, 15, 0))
        for state in observer.states:
            for name, mask in on_gpu.fresh.masks.items():
                assert state.masks[name].sum() == mask.sum()
                assert not state.weights[name][~state.masks[name]].any()
        assert any((trained.masks[name] != mask).any() for name, mask in on_gpu.fresh.masks.items())

    def test_an_exact_training_resumes_exactly(self, on_gpu: Bench, grow: Any, digest: Any) -> None:
        evolution = Evolution(grow, 0.3, 4, 0, 15, 0)
        whole, observer = on_gpu.train(EXACT, {}, evolution=evolution)
        resumed, _ = on_gpu.train(EXACT, {}, observer.states[6], evolution)
        assert digest(resumed.weights) == digest(whole.weights)
        assert digest(resumed.masks) == digest(whole.masks)
