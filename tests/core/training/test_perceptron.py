from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.datasets import Dataset
from core.families import architecture
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.jobs.recipes import Recipe
from core.models import build
from core.models.state import load_state
from core.pruning.random import random_mask
from core.training.checkpoint import TrainingState
from core.training.loop import Diverged, Replicate, train
from core.training.mode import EXACT, Mode
from core.training.perceptron import Perceptrons

FAST = Mode()
BFLOAT16 = Mode(precision="bfloat16")

VARIANTS = {
    "plain": {"momentum": 0.0},
    "momentum": {},
    # At the usual rate these steps make of rounding, which is not the same on every processor, more than is tolerated.
    "nesterov, weights decay, smoothed": {
        "nesterov": True,
        "decay": "weights",
        "label_smoothing": 0.1,
        "lr": 0.02,
    },
    "adam": {"optimizer": "adam", "momentum": 0.0, "lr": 0.002},
    "adam, weights decay": {"optimizer": "adam", "momentum": 0.0, "lr": 0.002, "decay": "weights"},
}
DENSITIES = {"dense": 1.0, "half": 0.5, "few": 0.1}


@pytest.fixture(scope="module")
def mlp() -> Architecture:
    return architecture("mlp_2", (1, 8, 8), 10)


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> Recipe:
    """Nine steps; the sixth is an epoch's last, of fewer images."""
    common = {"length": "9it", "batch": 256, "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3}
    return Recipe.model_validate(common | VARIANTS[request.param])


@pytest.fixture(params=list(DENSITIES))
def states(request: pytest.FixtureRequest, mlp: Architecture) -> list[TrainingState]:
    """Three replicates, each with weights and masks of its own."""
    shapes = {spec.name: spec.shape for spec in mlp.prunable}
    kept = round(DENSITIES[request.param] * mlp.prunable_weights)
    return [
        TrainingState.fresh(initialise(mlp, seed), random_mask(shapes, kept, seed, ())) for seed in range(3)
    ]


def trained(
    mlp: Architecture, digits: Dataset, recipe: Recipe, states: list[TrainingState], mode: Mode, observer: Any
) -> tuple[list[Any], list[Any]]:
    observers = [observer() for _ in states]
    replicates = [Replicate(seed, *pair) for seed, pair in enumerate(zip(states, observers, strict=True))]
    return train(mlp, digits, recipe, replicates, mode=mode), observers


class TestTogether:
    def test_each_ends_where_it_would_have_ended_alone_by_autograd(
        self, mlp: Architecture, digits: Dataset, variant: Recipe, states: list[TrainingState], recorder: Any
    ) -> None:
        found, _ = trained(mlp, digits, variant, states, FAST, recorder)
        alone, _ = trained(mlp, digits, variant, states, EXACT, recorder)
        for one, other, state in zip(found, alone, states, strict=True):
            assert list(one.weights) == list(other.weights)
            for name, array in other.weights.items():
                np.testing.assert_allclose(one.weights[name], array, rtol=1e-3, atol=2e-5, err_msg=name)
                assert np.abs(array - state.weights[name] * state.masks.get(name, True)).max() > 1e-4
            for record, expected in zip(one.history, other.history, strict=True):
                assert record.train_loss == pytest.approx(expected.train_loss, rel=1e-4)
                assert record.test_loss == pytest.approx(expected.test_loss, rel=1e-4)
                assert abs(record.correct - expected.correct) <= 1
                assert record.learning_rate == expected.learning_rate

    @pytest.mark.parametrize("mode", [FAST, BFLOAT16], ids=str)
    def test_pruned_weights_are_never_non_zero_or_remembered(
        self,
        mlp: Architecture,
        digits: Dataset,
        variant: Recipe,
        states: list[TrainingState],
        recorder: Any,
        mode: Mode,
    ) -> None:
        _, observers = trained(mlp, digits, variant, states, mode, recorder)
        for observer, state in zip(observers, states, strict=True):
            assert len(observer.states) == 9
            for seen in observer.states:
                for name, mask in state.masks.items():
                    assert (seen.weights[name][~mask] == 0).all()
                    for slot in seen.slots.keys() - {"step"}:
                        assert (seen.slots[slot][name][~mask] == 0).all()

    def test_nor_when_the_gradients_are_no_longer_finite(
        self, mlp: Architecture, digits: Dataset, variant: Recipe, states: list[TrainingState], recorder: Any
    ) -> None:
        broken = initialise(mlp, 0) | {"fc.bias": np.full(10, np.nan, np.float32)}
        start = TrainingState.fresh(broken, states[0].masks)
        observer = recorder()
        with pytest.raises(Diverged):
            train(mlp, digits, variant, [Replicate(0, start, observer)], mode=FAST)
        for seen in observer.states:
            for name, mask in start.masks.items():
                assert (seen.weights[name][~mask] == 0).all()

    def test_in_bfloat16_the_losses_stay_near(
        self, mlp: Architecture, digits: Dataset, variant: Recipe, states: list[TrainingState], recorder: Any
    ) -> None:
        rounded, _ = trained(mlp, digits, variant, states, BFLOAT16, recorder)
        exact, _ = trained(mlp, digits, variant, states, EXACT, recorder)
        for one, other in zip(rounded, exact, strict=True):
            assert one.last.train_loss == pytest.approx(other.last.train_loss, rel=0.05)
            assert all(array.dtype == np.float32 for array in one.weights.values())


class TestGradient:
    @pytest.mark.parametrize("smoothing", [0.0, 0.2])
    def test_one_step_of_sgd_moves_by_the_gradient_of_autograd(
        self, mlp: Architecture, smoothing: float
    ) -> None:
        recipe = Recipe(length="1it", batch=4, lr=0.5, momentum=0, weight_decay=0, label_smoothing=smoothing)
        states = [TrainingState.fresh(initialise(mlp, seed), {}) for seed in range(2)]
        engine = Perceptrons(mlp, recipe, states, torch.device("cpu"), torch.float32)
        generator = torch.Generator().manual_seed(0)
        images = [torch.randn(4, 1, 8, 8, generator=generator) for _ in states]
        labels = [torch.randint(0, 10, (4,), generator=generator) for _ in states]
        untimed = type("Untimed", (), {"lap": lambda self, part: None})()
        losses = engine.step(images, labels, 0, 0.5, untimed)
        for number, state in enumerate(states):
            model = build(mlp)
            load_state(model, state.weights)
            loss = F.cross_entropy(model(images[number]), labels[number], label_smoothing=smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            assert float(losses[number]) == pytest.approx(loss.item(), rel=1e-5)
            for name, parameter in model.named_parameters():
                assert parameter.grad is not None
                expected = (parameter - 0.5 * parameter.grad).detach().numpy()
                np.testing.assert_allclose(engine.weights()[number][name], expected, rtol=1e-4, atol=1e-6)

    def test_logits_are_those_of_the_networks(self, mlp: Architecture) -> None:
        recipe = Recipe(length="1it", batch=4, lr=0.5, momentum=0, weight_decay=0)
        states = [TrainingState.fresh(initialise(mlp, seed), {}) for seed in range(2)]
        engine = Perceptrons(mlp, recipe, states, torch.device("cpu"), torch.float32)
        images = torch.randn(5, 1, 8, 8)
        for state, found in zip(states, engine.logits(images, precisely=True), strict=True):
            model = build(mlp)
            load_state(model, state.weights)
            torch.testing.assert_close(found, model(images).detach())


class TestResume:
    def test_from_any_step_and_by_either_engine_it_ends_in_the_same_weights(
        self, mlp: Architecture, digits: Dataset, variant: Recipe, states: list[TrainingState], recorder: Any
    ) -> None:
        whole, observers = trained(mlp, digits, variant, states, FAST, recorder)
        for step in (2, 6):
            cut = [observer.states[step - 1] for observer in observers]
            assert {state.step for state in cut} == {step}
            for mode in (FAST, EXACT):
                resumed, _ = trained(mlp, digits, variant, cut, mode, recorder)
                for one, other in zip(resumed, whole, strict=True):
                    for name, array in other.weights.items():
                        np.testing.assert_allclose(one.weights[name], array, rtol=1e-3, atol=2e-5)
                    assert [record.step for record in one.history] == [6, 9]

    def test_those_at_other_steps_are_trained_by_themselves(
        self, mlp: Architecture, digits: Dataset, variant: Recipe, states: list[TrainingState], recorder: Any
    ) -> None:
        whole, observers = trained(mlp, digits, variant, states, FAST, recorder)
        apart = [observers[0].states[1], observers[1].states[8], observers[2].states[4]]
        resumed, again = trained(mlp, digits, variant, apart, FAST, recorder)
        assert [len(observer.steps) for observer in again] == [7, 0, 4]
        for one, other in zip(resumed, whole, strict=True):
            for name, array in other.weights.items():
                np.testing.assert_allclose(one.weights[name], array, rtol=1e-3, atol=2e-5)
