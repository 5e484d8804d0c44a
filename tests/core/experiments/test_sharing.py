"""Trainings that another job has done: read back by what they depend on, and by nothing else."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from core.experiments.shared import SharedTraining
from core.jobs.methods import ImpParameters
from core.jobs.outcome import Outcome
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec, TrainSpec
from core.tickets.weights import read_weights
from core.training.checkpoint import EpochRecord
from core.training.fingerprint import fingerprint
from core.training.loop import Trained
from core.training.mode import EXACT
from core.training.speed import Speedometer

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench

RECIPE = RecipeChoice(length="2ep", rewind="3it", momentum=0.9)
TO_END, TO_K = 24 - 3, 3


def find(level: int, *seeds: int, **fields: object) -> FindSpec:
    given = {"recipe": RECIPE, "exact": True, **fields}
    return FindSpec(
        architecture="mlp_2",
        dataset="digits",
        parameters=ImpParameters(level=level),
        seeds=list(seeds) or [0],
        **given,
    ).complete("mlp")


def trained_here(outcome: Outcome) -> list[tuple[int, int | None]]:
    return [(run.seed, run.level) for run in outcome.runs if not run.shared]


class TestFind:
    def test_level_10_after_level_6_trains_levels_6_to_9_and_ends_in_the_same_ticket(
        self, bench: "Bench", fresh_bench: Callable[[str], "Bench"]
    ) -> None:
        bench.run(find(6))
        bench.next_job()
        outcome = bench.run(find(10))
        assert trained_here(outcome) == [(0, level) for level in range(6, 10)]
        assert len(bench.diary.steps) == 4 * TO_END
        alone = fresh_bench("alone").run(find(10))
        assert outcome.tickets == alone.tickets
        assert outcome.results == alone.results
        assert [run.weights_digest for run in outcome.runs] == [run.weights_digest for run in alone.runs]
        assert [run.history for run in outcome.runs] == [run.history for run in alone.runs]

    def test_three_seeds_after_one_train_the_other_two(self, bench: "Bench") -> None:
        bench.run(find(2, 0))
        bench.next_job()
        assert trained_here(bench.run(find(2, 0, 1, 2))) == [(1, 0), (1, 1), (2, 0), (2, 1)]
        assert len(bench.diary.steps) == 2 * (TO_K + 2 * TO_END)

    def test_another_rewind_point_shares_nothing(self, bench: "Bench") -> None:
        bench.run(find(1))
        bench.next_job()
        later = RECIPE.model_copy(update={"rewind": "4it"})
        assert trained_here(bench.run(find(1, recipe=later))) == [(0, 0)]

    def test_what_it_had_finished_itself_is_taken_first(self, bench: "Bench") -> None:
        bench.run(find(2))
        asked = len(bench.diary.keys)
        bench.run(find(2))
        assert asked == len(bench.diary.keys) == 3


class TestTrain:
    def test_of_a_ticket_is_the_next_level_of_its_find(self, bench: "Bench") -> None:
        bench.run(find(2))
        (ticket,) = bench.tickets
        bench.next_job()
        spec = TrainSpec(tickets=[ticket], dataset="digits", recipe=RECIPE, exact=True).complete("mlp")
        (trained,) = bench.run(spec).runs
        bench.next_job()
        outcome = bench.run(find(3))
        assert trained_here(outcome) == []
        assert outcome.runs[-1].weights_digest == trained.weights_digest
        assert bench.diary.steps == []

    def test_of_a_dense_network_is_level_0_of_a_find_that_does_not_rewind(self, bench: "Bench") -> None:
        early = RECIPE.model_copy(update={"rewind": "0it"})
        bench.run(find(1, recipe=early))
        bench.next_job()
        spec = TrainSpec(architecture="mlp_2", dataset="digits", recipe=early, exact=True).complete("mlp")
        assert [run.shared for run in bench.run(spec).runs] == [True]


class TestReadBack:
    def test_its_record_is_that_of_the_job_that_trained(self, bench: "Bench") -> None:
        first = bench.run(find(2)).runs
        epochs = [told for told in bench.diary.events if told[0] == "epoch"]
        bench.next_job()
        second = bench.run(find(2)).runs
        assert [run.shared for run in first + second] == [False, False, True, True]
        assert [asdict(run) | {"shared": False} for run in second] == [asdict(run) for run in first]
        # A page that follows the job draws the same curves.
        assert bench.diary.events == epochs

    def test_progress_counts_only_what_is_left_to_do(self, bench: "Bench") -> None:
        bench.run(find(2))
        bench.next_job()
        bench.run(find(3))
        assert [told[:2] for told in bench.diary.steps] == [(step + 1, TO_END) for step in range(TO_END)]

    @pytest.mark.parametrize("content", [b"", b"torn"])
    def test_weights_that_are_damaged_are_trained_again(self, bench: "Bench", content: bytes) -> None:
        first = bench.run(find(2))
        store = bench.diary.artifacts
        path = store.path(first.runs[1].weights_digest)
        path.chmod(0o644)
        path.write_bytes(content)
        bench.next_job()
        second = bench.run(find(2))
        assert trained_here(second) == [(0, 1)]
        assert second.tickets == first.tickets
        assert read_weights(store.verified(second.runs[1].weights_digest))
        bench.next_job()
        assert trained_here(bench.run(find(2))) == []


class TestSharedTraining:
    def test_survives_the_way_through_json(self) -> None:
        record = EpochRecord(1, 12, 0.1, 1 / 3, 2 / 3, 300, 360)
        weights = {"weight": np.ones(3, np.float32)}
        cpu = torch.device("cpu")
        speed = Speedometer(cpu, EXACT, 1).reading()
        shared = SharedTraining.of(Trained(weights, (record,), 12, 0.1, speed, fingerprint(cpu, EXACT)))
        told = json.loads(json.dumps(shared.about()))
        assert SharedTraining.from_parts(told, weights) == shared
        assert shared.last is record
