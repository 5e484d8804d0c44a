"""Train jobs whose networks are sparse from the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import TrainSpec
from core.tickets.weights import read_weights

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench

SHORT = RecipeChoice(length="24it", momentum=0.9, lr=0.05)
MLP = architecture("mlp_1", (1, 8, 8), 10)
SURVIVORS = 5000


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def spec(
    method: str = "rigl", recipe: RecipeChoice = SHORT, exact: bool = True, **schedule: Any
) -> TrainSpec:
    given = {"method": method, "survivors": SURVIVORS, "every": 5, **schedule}
    return TrainSpec.model_validate(
        {
            "architecture": "mlp_1",
            "dataset": "digits",
            "seeds": [0, 1],
            "recipe": recipe,
            "exact": exact,
            "sparsity_schedule": given,
        }
    ).complete("mlp")


def ends(bench: Bench, outcome: Any) -> list[dict[str, np.ndarray]]:
    return [read_weights(bench.diary.artifacts.path(run.weights_digest)) for run in outcome.runs]


def final_masks(bench: Bench) -> list[dict[str, np.ndarray]]:
    """Those of the last state of each training."""
    names = dict.fromkeys(name for name, _, _ in bench.diary.saved)
    return [next(iter(bench.diary.states(name))).masks for name in names]


def changes(bench: Bench) -> list[int]:
    """The steps from 1 on at which the first training's masks changed; it was saved after every one."""
    states = [*bench.diary.states(bench.diary.saved[0][0])][::-1]
    return [
        before.step
        for before, after in pairwise(states)
        if any((before.masks[name] != mask).any() for name, mask in after.masks.items())
    ]


class TestTrain:
    @pytest.mark.parametrize("exact", [True, False])
    @pytest.mark.parametrize("scope", ["erk", "uniform"])
    @pytest.mark.parametrize("method", ["rigl", "set", "static"])
    def test_the_survivors_are_exactly_those_asked_for(
        self, bench: Bench, method: str, scope: str, exact: bool
    ) -> None:
        outcome = bench.run(spec(method, scope=scope, exact=exact))
        assert [(run.seed, run.ticket_id, run.start_step, run.steps) for run in outcome.runs] == [
            (0, None, 0, 24),
            (1, None, 0, 24),
        ]
        for run, weights, masks in zip(outcome.runs, ends(bench, outcome), final_masks(bench), strict=True):
            assert sum(int(mask.sum()) for mask in masks.values()) == SURVIVORS
            assert run.sparsity == 1 - SURVIVORS / MLP.prunable_weights
            assert masks["fc.weight"].all()
            for name, mask in masks.items():
                assert not weights[name][~mask].any()
                assert (weights[name][mask] != 0).mean() > 0.9

    def test_all_methods_begin_with_the_same_random_masks(self, bench: Bench) -> None:
        still = RecipeChoice(length="1it", lr=1e-30)
        bench.diary.interval = 1
        begun = []
        for method in ("rigl", "set", "static"):
            bench.next_job()
            # The first update is at step 1, and there is none.
            outcome = bench.run(spec(method, still, begin=0 if method == "static" else 1, end=1))
            begun.append(final_masks(bench))
            for seed, weights in enumerate(ends(bench, outcome)):
                initial = initialise(MLP, seed)
                for name, mask in begun[-1][seed].items():
                    assert np.array_equal(weights[name], np.where(mask, initial[name], 0))
        for name in begun[0][0]:
            assert all(np.array_equal(begun[0][0][name], masks[0][name]) for masks in begun)
        assert (begun[0][0]["fc_layers.0.weight"] != begun[0][1]["fc_layers.0.weight"]).any()

    def test_another_method_ends_in_other_masks(self, bench: Bench) -> None:
        found = []
        for method in ("rigl", "set", "static"):
            bench.next_job()
            bench.run(spec(method))
            found.append(final_masks(bench)[0]["fc_layers.1.weight"])
        assert all((one != other).any() for one, other in ((found[0], found[1]), (found[1], found[2])))

    def test_a_layer_without_survivors_is_reported(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.run(spec(survivors=1001, scope="uniform"))
        assert "no weight survives in fc_layers.0.weight" in caplog.text

    @pytest.mark.parametrize("survivors", [999, MLP.prunable_weights + 1])
    def test_what_is_not_possible_is_refused(self, bench: Bench, survivors: int) -> None:
        with pytest.raises(ValueError, match=f"{survivors} survivors asked for; between 1000 and"):
            bench.run(spec(survivors=survivors))


class TestMultiplier:
    def test_scales_length_rates_and_the_last_update_but_not_their_distance(self, bench: Bench) -> None:
        bench.diary.interval = 1
        recipe = RecipeChoice(length="1ep", milestones=("6it",), warmup="2it", lr=0.1)
        outcome = bench.run(spec(recipe=recipe, multiplier=5))
        assert [run.steps for run in outcome.runs] == [60, 60]
        assert [record["learning_rate"] for record in outcome.runs[0].history] == pytest.approx(
            [0.1, 0.1, 0.01, 0.01, 0.01]
        )
        # The last of 60 · 0.75 steps is 45, where the share has come to 0.
        assert changes(bench) == list(range(5, 45, 5))


class TestSharing:
    @pytest.mark.parametrize("method", ["rigl", "set", "static"])
    def test_the_same_training_is_read_back_with_its_masks(self, bench: Bench, method: str) -> None:
        first = bench.run(spec(method))
        key = bench.diary.keys[0]
        masks = final_masks(bench)[0]
        bench.next_job()
        second = bench.run(spec(method))
        assert [run.shared for run in second.runs] == [True, True]
        assert bench.diary.steps == []
        for one, other in zip(first.runs, second.runs, strict=True):
            assert (one.sparsity, one.weights_digest) == (other.sparsity, other.weights_digest)
        with bench.diary.sharing(key, wait=False) as shared:
            assert shared is not None
            assert (shared.masks is None) == (method == "static")
            for name, mask in (shared.masks or {}).items():
                np.testing.assert_array_equal(mask, masks[name])

    @pytest.mark.parametrize(
        "change", [{"every": 6}, {"alpha": 0.2}, {"begin": 1}, {"end": 0.8}, {"method": "set"}]
    )
    def test_another_schedule_is_another_training(self, bench: Bench, change: dict[str, Any]) -> None:
        bench.run(spec())
        bench.next_job()
        assert not any(run.shared for run in bench.run(spec(**change)).runs)


class TestResume:
    @pytest.mark.parametrize("method", ["rigl", "set"])
    def test_a_job_killed_at_any_save_ends_in_the_same_weights_and_masks(
        self,
        bench: Bench,
        fresh_bench: Callable[[str], Bench],
        method: str,
        killed: type[BaseException],
    ) -> None:
        undisturbed = bench.run(spec(method))
        expected = final_masks(bench)
        for saves in (0, 1, 3, 6):
            other = fresh_bench(f"after {saves}")
            other.diary.interval = 3
            other.diary.saves_left = saves
            with pytest.raises(killed):
                other.run(spec(method))
            other.diary.saves_left = None
            outcome = other.run(spec(method))
            assert [run.weights_digest for run in outcome.runs] == [
                run.weights_digest for run in undisturbed.runs
            ]
            assert json.dumps([run.history for run in outcome.runs]) == json.dumps(
                [run.history for run in undisturbed.runs]
            )
            for found, masks in zip(final_masks(other), expected, strict=True):
                assert all(np.array_equal(found[name], mask) for name, mask in masks.items())
