from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from core.datasets import load
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.methods import EarlyBirdParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec
from core.pruning.channels import NoChannels, weight_masks, written_by
from core.pruning.early_bird import channel_mask, mask_distance
from core.tickets import ticket_id
from core.tickets.weights import read_weights

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench

NETWORK = "cifar_resnet_8_4"
PER_EPOCH = 3  # of 1,437 images in batches of 500


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def find(seeds: Sequence[int] = (0,), network: str = NETWORK, exact: bool = True, **given: Any) -> FindSpec:
    recipe = {"length": "5ep", "batch": 500, "lr": 2.0, "rewind": "0it", "milestones": ("2ep",), **given}
    return FindSpec(
        architecture=network,
        dataset="digits",
        method="early_bird",
        parameters=EarlyBirdParameters(channels=0.4, window=3, distance=0.05),
        seeds=list(seeds),
        recipe=RecipeChoice.model_validate(recipe),
        exact=exact,
    ).complete("cifar_resnet")


def changed(spec: FindSpec, **parameters: Any) -> FindSpec:
    given = spec.parameters.model_dump() | parameters
    return spec.model_copy(update={"parameters": EarlyBirdParameters(**given)})


def at_a_stretch(spec: FindSpec, epochs: int | None, train_alone: Any, observer: Any) -> Any:
    network = architecture(spec.architecture, (1, 8, 8), 10)
    return train_alone(
        network,
        load("digits", Path("none")),
        spec.full_recipe,
        seed=0,
        weights=initialise(network, 0),
        masks={tensor.name: np.ones(tensor.shape, bool) for tensor in network.prunable},
        end_step=epochs and epochs * PER_EPOCH,
        observer=observer,
    )


class TestTraining:
    @pytest.mark.parametrize(
        "change",
        [
            {"momentum": 0.9, "augment": True, "warmup": "4it"},
            {"momentum": 0.9, "nesterov": True, "schedule": "cosine", "milestones": ()},
            {"optimizer": "adam", "momentum": 0, "lr": 0.001},
            {"length": "13it"},
        ],
    )
    def test_an_epoch_at_a_time_ends_in_the_bits_of_one_training(
        self, bench: Bench, change: dict[str, Any], train_alone: Any, silent: Any
    ) -> None:
        spec = changed(find(**change), window=100)
        (record,) = bench.run(spec).runs
        whole = at_a_stretch(spec, None, train_alone, silent)
        found = read_weights(bench.diary.artifacts.path(record.weights_digest))
        assert found.keys() == whole.weights.keys()
        assert all(np.array_equal(found[name], values) for name, values in whole.weights.items())
        assert record.history == [vars(epoch) for epoch in whole.history]
        assert (record.start_step, record.steps) == (0, whole.steps)

    def test_every_epoch_is_told_and_counted_once(self, bench: Bench) -> None:
        outcome = bench.run(changed(find((3, 4)), window=100))
        told = [data for kind, data in bench.diary.events if kind == "epoch"]
        assert [(data["training"], data["epoch"]) for data in told] == [
            (f"seed {seed}", epoch) for seed in (3, 4) for epoch in range(1, 6)
        ]
        assert [done for done, _, _ in bench.diary.steps] == list(range(1, 31))
        assert {total for _, total, _ in bench.diary.steps} == {30}
        assert [run.seconds > 0 for run in outcome.runs] == [True, True]

    def test_what_is_not_trained_is_expected_no_longer(self, bench: Bench) -> None:
        bench.run(changed(find((3, 4)), window=2, distance=1))
        assert [total for _, total, _ in bench.diary.steps] == [30] * 6 + [21] * 6

    def test_nothing_is_shared_for_what_is_shared_does_not_tell_the_optimizers_memory(
        self, bench: Bench
    ) -> None:
        bench.run(find())
        assert bench.diary.keys == []


class TestTicket:
    def test_is_drawn_after_the_first_epoch_that_agrees_with_its_window(
        self, bench: Bench, train_alone: Any, silent: Any
    ) -> None:
        spec = find()
        (file,) = bench.made(bench.run(spec))
        network = file.ticket.architecture
        history = []
        for epoch in range(1, 6):
            weights = at_a_stretch(spec, epoch, train_alone, silent).weights
            history.append(channel_mask({name: weights[name] for name in written_by(network)}, 0.4))
            window = [mask_distance(history[-1], older) for older in history[-3:-1]]
            if len(history) >= 3 and max(window) < 0.05:
                break
        details = file.metadata.details
        assert details["settled"] is True
        assert details["epoch"] == epoch == 4
        assert file.ticket.rewind_step == epoch * PER_EPOCH
        assert details["distances"] == [
            mask_distance(*pair) for pair in zip(history[1:], history, strict=False)
        ]
        assert details["channels_normalised"] == 4 * 3 + 8 * 3 + 16 * 3
        assert details["channels_pruned"] == int(0.4 * 84)
        expected = weight_masks(network, history[-1])
        assert all(np.array_equal(mask, expected[name]) for name, mask in file.ticket.bool_masks().items())
        for name, values in file.ticket.weights().items():
            assert np.array_equal(values, weights[name] * expected.get(name, True))

    def test_is_that_of_the_end_where_no_window_agrees(self, bench: Bench) -> None:
        (file,) = bench.made(bench.run(changed(find(), window=6)))
        assert (file.metadata.details["epoch"], file.metadata.details["settled"]) == (5, False)
        assert file.ticket.rewind_step == 5 * PER_EPOCH

    def test_says_where_it_comes_from_and_keeps_the_weights_beneath(self, bench: Bench) -> None:
        outcome = bench.run(find((6,)))
        (file,) = bench.made(outcome)
        said = file.metadata
        assert (said.method, said.dataset, said.seed, said.level) == ("early_bird", "digits", 6, None)
        assert said.details["recipe"]["batch"] == 500
        (produced,) = outcome.tickets
        kept = {int(k): read_weights(bench.diary.artifacts.path(d)) for k, d in produced.weights.items()}
        assert kept.keys() == {0, file.ticket.rewind_step}
        assert all(
            np.array_equal(kept[0][name], values)
            for name, values in initialise(file.ticket.architecture, 6).items()
        )

    def test_what_is_to_stay_dense_stays_and_the_others_carry_the_quota(self, bench: Bench) -> None:
        dense = ("fc.weight", "blocks.2.conv1.weight")
        (file,) = bench.made(bench.run(changed(find(dense=dense), channels=0.7)))
        masks = file.ticket.bool_masks()
        assert all(masks[name].all() for name in dense)
        assert file.metadata.details["channels_pruned"] == int(0.7 * 84)

    def test_an_emptied_layer_is_told(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            bench.run(changed(find(length="1ep"), channels=0.99))
        assert "no channel survives in " in caplog.text

    def test_a_network_without_normalisation_is_refused_before_it_is_trained(self, bench: Bench) -> None:
        with pytest.raises(NoChannels, match="mlp_2 has no batch normalisation"):
            bench.run(find(network="mlp_2"))
        assert bench.diary.steps == []


class TestResuming:
    @pytest.mark.parametrize("saves", range(11))
    def test_killed_at_any_save_it_ends_in_the_same_ticket(
        self,
        bench: Bench,
        fresh_bench: Callable[[str], Bench],
        killed: type[BaseException],
        saves: int,
    ) -> None:
        spec = find(momentum=0.9)
        whole = fresh_bench("undisturbed")
        expected = whole.run(spec)
        bench.diary.interval, bench.diary.saves_left = 2, saves
        with pytest.raises(killed):
            bench.run(spec)
        bench.diary.saves_left = None
        outcome = bench.run(spec)
        (file,), (alone,) = bench.made(outcome), whole.made(expected)
        assert outcome.tickets == expected.tickets
        assert ticket_id(file.ticket) == ticket_id(alone.ticket)
        assert file.metadata == alone.metadata
        assert outcome.runs[0].history == expected.runs[0].history
        assert outcome.runs[0].weights_digest == expected.runs[0].weights_digest
        assert bench.diary.steps[-1][:2] == whole.diary.steps[-1][:2]

    def test_a_journal_tells_of_earlier_attempts_only(
        self,
        bench: Bench,
        fresh_bench: Callable[[str], Bench],
        killed: type[BaseException],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        spec = find()
        whole = fresh_bench("undisturbed")
        expected = whole.run(spec)
        bench.diary.interval, bench.diary.saves_left = 2, 4
        with pytest.raises(killed):
            bench.run(spec)
        bench.diary.saves_left = None
        earlier, told = list(bench.diary.saved), bench.diary.states
        bench.diary.steps.clear()

        def states(training: str) -> Any:
            now, bench.diary.saved = bench.diary.saved, earlier
            found = list(told(training))
            bench.diary.saved = now
            return found

        monkeypatch.setattr(bench.diary, "states", states)
        assert bench.run(spec).tickets == expected.tickets
        first = bench.diary.steps[0][0]
        assert first > 1
        # Every step once, from there to the last.
        assert [done for done, _, _ in bench.diary.steps] == list(range(first, whole.diary.steps[-1][0] + 1))

    def test_of_a_lost_note_the_mask_is_drawn_again(
        self, bench: Bench, killed: type[BaseException], fresh_bench: Callable[[str], Bench]
    ) -> None:
        spec = find()
        expected = fresh_bench("undisturbed").run(spec)
        bench.diary.interval, bench.diary.saves_left = 2, 7
        with pytest.raises(killed):
            bench.run(spec)
        bench.diary.saves_left = None
        # What is left of the training is at a later step than the mask that is missing.
        notes = [saved for saved in bench.diary.saved if "channels" in saved[0]]
        bench.diary.saved = [saved for saved in bench.diary.saved if saved != notes[0]][-2:]
        assert bench.run(spec).tickets == expected.tickets
