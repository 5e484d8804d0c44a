from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.datasets import load
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.inputs import TrainedNetwork
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import EvaluateSpec, FindSpec, TrainSpec, TransformSpec
from core.tickets.weights import read_weights
from core.training.loop import Observer

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench

SHORT = RecipeChoice(length="2ep", rewind="5it")


@pytest.fixture
def found(bench: "Bench") -> list[str]:
    bench.run(
        FindSpec(
            architecture="mlp_2",
            dataset="digits",
            parameters=ImpParameters(level=2),
            seeds=[3, 8],
            recipe=SHORT,
        ).complete("mlp")
    )
    return list(bench.tickets)


def train(**fields: object) -> TrainSpec:
    return TrainSpec.model_validate({"dataset": "digits", "recipe": SHORT, "exact": True, **fields}).complete(
        "mlp"
    )


class TestTickets:
    def test_continue_at_their_rewind_point_under_their_own_seed(
        self, bench: "Bench", found: list[str]
    ) -> None:
        outcome = bench.run(train(tickets=found))
        assert [(run.seed, run.order_seed, run.start_step, run.steps) for run in outcome.runs] == [
            (3, 3, 5, 19),
            (8, 8, 5, 19),
        ]
        assert [run.ticket_id for run in outcome.runs] == found

    def test_start_from_the_weights_at_their_rewind_point(
        self, bench: "Bench", found: list[str], silent: Observer, train_alone: Any
    ) -> None:
        (run, _) = bench.run(train(tickets=found)).runs
        ticket = bench.ticket(found[0])
        spec = train(tickets=found)
        alone = train_alone(
            ticket.architecture,
            load("digits", Path("none")),
            spec.full_recipe,
            seed=3,
            weights=ticket.weights(),
            masks=ticket.bool_masks(),
            start_step=5,
            observer=silent,
        ).weights
        trained = read_weights(bench.diary.artifacts.path(run.weights_digest))
        assert all(np.array_equal(trained[name], values) for name, values in alone.items())

    def test_pruned_weights_stay_zero(self, bench: "Bench", found: list[str]) -> None:
        outcome = bench.run(train(tickets=found))
        for run, identity in zip(outcome.runs, found, strict=True):
            trained = read_weights(bench.diary.artifacts.path(run.weights_digest))
            for name, mask in bench.ticket(identity).bool_masks().items():
                assert not trained[name][~mask].any()
                assert (trained[name][mask] != 0).mean() > 0.99

    def test_order_seeds_train_each_ticket_once_per_data_order(
        self, bench: "Bench", found: list[str]
    ) -> None:
        outcome = bench.run(train(tickets=found[:1], order_seeds=[0, 3]))
        assert [(run.seed, run.order_seed) for run in outcome.runs] == [(3, 0), (3, 3)]
        own = bench.run(train(tickets=found[:1]))
        assert own.runs[0].weights_digest == outcome.runs[1].weights_digest
        assert own.runs[0].weights_digest != outcome.runs[0].weights_digest

    def test_on_a_dataset_that_is_not_their_own_the_schedule_starts_at_zero(
        self, bench: "Bench", found: list[str]
    ) -> None:
        # What the catalog says counts, not what the file does.
        bench.tickets[found[0]] = replace(bench.tickets[found[0]], dataset="mnist")
        (run,) = bench.run(train(tickets=found[:1])).runs
        assert (run.start_step, run.steps) == (0, 24)

    def test_a_network_for_other_images_is_refused(self, bench: "Bench", found: list[str]) -> None:
        bench.run(TransformSpec(tickets=found[:1], architecture="mlp_2", dataset="mnist", stem="fresh"))
        other = list(bench.tickets)[-1]
        with pytest.raises(ValueError, match="transform the ticket to this dataset first"):
            bench.run(train(tickets=[other]))


class TestDense:
    def test_each_seed_starts_from_its_own_initialisation_at_step_zero(self, bench: "Bench") -> None:
        outcome = bench.run(
            train(architecture="mlp_1", seeds=[0, 1], recipe=RecipeChoice(length="1it", lr=1e-30))
        )
        network = architecture("mlp_1", (1, 8, 8), 10)
        for run in outcome.runs:
            assert (run.start_step, run.sparsity, run.ticket_id) == (0, 0.0, None)
            trained = read_weights(bench.diary.artifacts.path(run.weights_digest))
            for name, values in initialise(network, run.seed).items():
                assert np.array_equal(trained[name], values)


class TestEvaluate:
    def test_agrees_with_the_accuracy_after_the_last_step(self, bench: "Bench", found: list[str]) -> None:
        outcome = bench.run(train(tickets=found))
        inputs = [
            TrainedNetwork(
                path=str(bench.diary.artifacts.path(run.weights_digest)),
                architecture=run.architecture,
                input=(1, 8, 8),
                classes=10,
                ticket_id=run.ticket_id,
                seed=run.seed,
            )
            for run in outcome.runs
        ]
        measured = bench.run(EvaluateSpec(job="ab" * 16, dataset="digits"), inputs)
        last = [result for result in outcome.results if result.point == "last"]
        assert [(r.correct, r.total, r.ticket_id, r.seed) for r in measured.results] == [
            (r.correct, r.total, r.ticket_id, r.seed) for r in last
        ]

    def test_a_ticket_is_measured_at_its_rewind_point(
        self, bench: "Bench", found: list[str], silent: Observer, train_alone: Any
    ) -> None:
        results = bench.run(EvaluateSpec(tickets=found, dataset="digits")).results
        assert [(result.point, result.ticket_id, result.total) for result in results] == [
            ("evaluate", found[0], 360),
            ("evaluate", found[1], 360),
        ]
