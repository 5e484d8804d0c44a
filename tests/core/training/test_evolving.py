"""Trainings whose masks change: every update against a naive one, and what lies between them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.datasets import Dataset
from core.datasets.augment import crop_and_flip, epoch_choices
from core.datasets.normalisation import Normalisation
from core.datasets.order import epoch_order
from core.families import architecture
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe, recipe_for
from core.models import build
from core.models.state import load_state
from core.pruning.evolution import Evolution
from core.pruning.set_growth import keys
from core.training.checkpoint import TrainingState, read_state, write_state
from core.training.mode import Mode
from core.training.ranks import ALONE, Ranks

SEED, LENGTH = 5, 40
RIGL = Evolution("rigl", alpha=0.3, every=4, begin=3, end=30, seed=7)
SET = Evolution("set", alpha=0.3, every=4, begin=3, end=30, seed=7)
UPDATES = [3, 7, 11, 15, 19, 23, 27]
CHANGES = UPDATES[:-1]
"""The share falls to 0 in end − begin = 27 steps: the last update changes nothing, and still takes a step's place."""
OPTIMIZERS = {
    "momentum": {"momentum": 0.9, "weight_decay": 1e-3},
    "plain": {"momentum": 0.0},
    "adam": {"optimizer": "adam", "momentum": 0.0, "lr": 0.002, "weight_decay": 1e-3},
}


@pytest.fixture(scope="session")
def mlp(digits: Dataset) -> Architecture:
    return architecture("mlp_1", digits.facts.input, 10)


@pytest.fixture(params=list(OPTIMIZERS))
def optimizer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(mlp: Architecture, digits: Dataset, make_start: Any, train_alone: Any, recorder: Any) -> Any:
    """Trains on digits, the output layer dense; the training, and its states after every step, the first one before."""
    start = make_start(mlp, ("fc.weight",))

    def run(evolution: Evolution | None, optimizer: str = "momentum", at: Any = None, **changes: Any) -> Any:
        recipe = recipe_for("mlp", {"lr": 0.05, "length": f"{LENGTH}it", **OPTIMIZERS[optimizer]})
        observer = recorder(at)
        given = {"seed": SEED, "weights": start.weights, "masks": start.masks, **changes}
        trained = train_alone(mlp, digits, recipe, observer=observer, evolution=evolution, **given)
        begun = {
            name: np.where(start.masks.get(name, True), array, np.float32(0))
            for name, array in start.weights.items()
        }
        return trained, [TrainingState.fresh(begun, start.masks), *observer.states]

    return run


@pytest.fixture
def run_resnet(
    resnet: Architecture, photographs: Dataset, recipe: Recipe, start: Any, train_alone: Any, recorder: Any
) -> Any:
    """Twenty steps of a network with batch normalisation, crops and flips; the training and its states."""

    def run(evolution: Evolution | None, ranks: Ranks = ALONE, **changes: Any) -> Any:
        observer = recorder(changes.pop("at", None))
        given = {"seed": SEED, "weights": start.weights, "masks": start.masks, **changes}
        trained = train_alone(
            resnet, photographs, recipe, observer=observer, evolution=evolution, ranks=ranks, **given
        )
        return trained, observer.states

    return run


def gradients(network: Architecture, dataset: Dataset, batch: int, state: TrainingState) -> Any:
    """Those of all weights on the batch of a state's next step, by autograd."""
    model = build(network)
    load_state(model, state.weights)
    n = len(dataset.train_labels)
    epoch, position = divmod(state.step, -(-n // batch))
    rows = torch.from_numpy(epoch_order(SEED, epoch, n))[position * batch :][:batch]
    images = dataset.train_images[rows]
    if dataset.facts.augmented:
        images = crop_and_flip(
            images, torch.from_numpy(epoch_choices(SEED, epoch, n))[position * batch :][:batch]
        )
    loss = F.cross_entropy(
        model(Normalisation(dataset, torch.device("cpu"))(images)), dataset.train_labels[rows]
    )
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}  # type: ignore[union-attr]


def naive(weight: np.ndarray, mask: np.ndarray, growth: np.ndarray, step: int) -> np.ndarray:
    """The mask after an update by RIGL's schedule, from sorted lists."""
    survivors = sorted((abs(weight.flat[i]), i) for i in np.flatnonzero(mask))
    span = RIGL.end - RIGL.begin
    k = int(0.15 * (1 + math.cos(math.pi * min(step, span) / span)) * len(survivors))
    after = np.zeros(mask.size, bool)
    after[[i for _, i in survivors[k:]]] = True
    others = sorted((growth.flat[i], i) for i in np.flatnonzero(~after))
    after[[i for _, i in others[len(others) - k :]]] = True
    return after.reshape(mask.shape)


def updates(
    states: list[TrainingState], at: list[int] = UPDATES
) -> Iterator[tuple[TrainingState, TrainingState]]:
    """The states before and after each update."""
    return ((before, after) for before, after in pairwise(states) if before.step in at)


class TestMasks:
    @pytest.mark.parametrize("evolution", [RIGL, SET], ids=["rigl", "set"])
    def test_every_layer_has_as_many_survivors_after_every_step(self, run: Any, evolution: Evolution) -> None:
        trained, states = run(evolution)
        assert len(states) == LENGTH + 1
        for state in states:
            for name, mask in states[0].masks.items():
                assert state.masks[name].sum() == mask.sum()
                assert state.masks[name].dtype == bool
                assert not state.weights[name][~state.masks[name]].any()
        assert list(trained.masks) == list(states[0].masks)
        assert all(np.array_equal(trained.masks[name], mask) for name, mask in states[-1].masks.items())
        assert trained.masks["fc.weight"].all()

    @pytest.mark.parametrize("evolution", [RIGL, SET], ids=["rigl", "set"])
    def test_they_change_at_every_update_and_never_else(self, run: Any, evolution: Evolution) -> None:
        _, states = run(evolution)
        changed = [
            before.step
            for before, after in pairwise(states)
            if any((before.masks[name] != mask).any() for name, mask in after.masks.items())
        ]
        assert changed == CHANGES

    def test_rigl_is_the_naive_one(
        self, run: Any, mlp: Architecture, digits: Dataset, optimizer: str
    ) -> None:
        _, states = run(RIGL, optimizer)
        for before, after in updates(states):
            found = gradients(mlp, digits, 128, before)
            for name, mask in before.masks.items():
                expected = naive(before.weights[name], mask, abs(found[name]), before.step)
                np.testing.assert_array_equal(after.masks[name], expected)

    def test_set_is_the_naive_one(self, run: Any) -> None:
        _, states = run(SET)
        for before, after in updates(states):
            for name, mask in before.masks.items():
                growth = keys(7, before.step, name, mask.size)
                expected = naive(before.weights[name], mask, growth, before.step)
                np.testing.assert_array_equal(after.masks[name], expected)

    def test_of_convolutions_too(self, run_resnet: Any, resnet: Architecture, photographs: Dataset) -> None:
        _, states = run_resnet(RIGL)
        for before, after in updates(states):
            found = gradients(resnet, photographs, 8, before)
            for name, mask in before.masks.items():
                expected = naive(before.weights[name], mask, abs(found[name]), before.step)
                assert (after.masks[name] != expected).sum() <= 2  # other kernels round otherwise
                assert after.masks[name].sum() == mask.sum()

    def test_an_update_at_step_0_is_the_first(self, run: Any, mlp: Architecture, digits: Dataset) -> None:
        _, (begun, after, *_) = run(Evolution("rigl", 0.3, 100, 0, 27, 0))
        found = gradients(mlp, digits, 128, begun)
        for name, mask in begun.masks.items():
            expected = naive(begun.weights[name], mask, abs(found[name]), 0)
            np.testing.assert_array_equal(after.masks[name], expected)
        assert (after.step, after.slots) == (1, {})

    def test_static_ones_stay(self, run: Any) -> None:
        trained, states = run(None)
        assert trained.masks is None
        assert all(np.array_equal(states[-1].masks[name], mask) for name, mask in states[0].masks.items())


class TestUpdate:
    def test_kept_weights_and_their_slots_have_the_same_bits(self, run: Any, optimizer: str) -> None:
        _, states = run(RIGL, optimizer)
        seen = 0
        for before, after in updates(states):
            for name, array in before.weights.items():
                kept = before.masks.get(name, True) & after.masks.get(name, True)
                assert (np.where(kept, array, 0) == np.where(kept, after.weights[name], 0)).all()
                for slot in before.slots:
                    old, new = before.slots[slot][name], after.slots[slot][name]
                    assert (
                        np.array_equal(old, new) if slot == "step" else np.array_equal(old * kept, new * kept)
                    )
                    seen += 1
        assert seen or optimizer == "plain"

    def test_grown_and_dropped_weights_and_their_slots_are_zero(self, run: Any, optimizer: str) -> None:
        _, states = run(RIGL, optimizer)
        for before, after in updates(states, CHANGES):
            for name in ("fc_layers.0.weight", "fc_layers.1.weight"):
                changed = before.masks[name] != after.masks[name]
                assert changed.sum() > 0
                assert before.weights[name][changed].any()
                assert not after.weights[name][changed].any()
                for slot in after.slots.keys() - {"step"}:
                    assert not after.slots[slot][name][changed].any()

    def test_grown_weights_are_trained_from_then_on(self, run: Any) -> None:
        _, states = run(RIGL)
        for (before, after), later in zip(updates(states, CHANGES), states[5::4], strict=False):
            name = "fc_layers.1.weight"
            grown = ~before.masks[name] & after.masks[name]
            assert later.step == after.step + 1
            assert (later.weights[name][grown] != 0).mean() > 0.9

    def test_running_statistics_move_and_the_schedule_goes_on(self, run_resnet: Any) -> None:
        _, states = run_resnet(RIGL)
        for before, after in updates(states):
            assert after.weights["bn.num_batches_tracked"] == after.step
            assert (before.weights["bn.running_mean"] != after.weights["bn.running_mean"]).all()
            assert (before.weights["bn.weight"] == after.weights["bn.weight"]).all()
            assert (before.weights["fc.bias"] == after.weights["fc.bias"]).all()


class TestModes:
    @pytest.mark.parametrize(
        "mode",
        [Mode(), Mode(precision="bfloat16"), pytest.param(Mode(compiled=True), marks=pytest.mark.nightly)],
        ids=str,
    )
    def test_whatever_the_arithmetic_counts_are_kept(self, run: Any, run_resnet: Any, mode: Mode) -> None:
        trained, states = (run_resnet if mode.compiled else run)(RIGL, mode=mode)
        assert trained.speed.mode == str(mode)
        for before, after in pairwise(states):
            for name, mask in before.masks.items():
                assert after.masks[name].sum() == mask.sum()
                assert not after.weights[name][~after.masks[name]].any()
            changed = any((before.masks[name] != mask).any() for name, mask in after.masks.items())
            assert changed == (before.step in CHANGES)


class TestResume:
    @pytest.mark.parametrize("evolution", [RIGL, SET], ids=["rigl", "set"])
    def test_from_a_file_at_any_step_it_ends_in_the_same_bits(
        self, run: Any, optimizer: str, evolution: Evolution, checkpoint_path: Path, digest: Any
    ) -> None:
        undisturbed, _ = run(evolution, optimizer, at=set())
        chance = random.Random(f"{optimizer} {evolution.grow}")
        state = None
        for stop in [*sorted(chance.sample(range(1, LENGTH), 4)), LENGTH]:
            trained, states = run(evolution, optimizer, at={stop}, state=state)
            with checkpoint_path.open("wb") as stream:
                write_state(states[-1], stream)
            state = read_state(checkpoint_path)
            assert state.step == stop
            assert digest(trained.weights) == digest(undisturbed.weights)
            assert digest(trained.masks) == digest(undisturbed.masks)
        read_back, _ = run(evolution, optimizer, at=set(), state=state)
        assert digest(read_back.masks) == digest(undisturbed.masks)
        assert digest(read_back.weights) == digest(undisturbed.weights)

    def test_of_a_network_with_batch_normalisation(self, run_resnet: Any, digest: Any) -> None:
        undisturbed, states = run_resnet(RIGL)
        for state in (states[2], states[3], states[12]):
            trained, _ = run_resnet(RIGL, state=state, at=set())
            assert digest(trained.weights) == digest(undisturbed.weights)
            assert digest(trained.masks) == digest(undisturbed.masks)


class TestRanks:
    def test_all_have_the_same_masks_those_of_one_process(self, run_resnet: Any, on_ranks: Any) -> None:
        alone, seen = run_resnet(RIGL)
        (first, one), (second, other) = on_ranks(2, lambda ranks: run_resnet(RIGL, ranks))
        for name, mask in first.masks.items():
            assert np.array_equal(mask, second.masks[name])
            assert mask.sum() == alone.masks[name].sum()
            assert (mask != alone.masks[name]).mean() < 0.02
        for mine, theirs, expected in zip(one, other, seen, strict=True):
            for name, mask in mine.masks.items():
                assert np.array_equal(mask, theirs.masks[name])
                assert mask.sum() == expected.masks[name].sum()
                assert np.array_equal(mine.weights[name], theirs.weights[name])
