import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.datasets import load
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec
from core.tickets import ticket_id
from core.tickets.weights import read_weights
from core.training.loop import Observer

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench


def imp(network: str = "mlp_2", level: int = 2, seeds: tuple[int, ...] = (0,), **recipe: object) -> FindSpec:
    family = "mlp" if network.startswith("mlp") else "cifar_resnet"
    choice = RecipeChoice.model_validate({"length": "1ep", "rewind": "0it", **recipe})
    return FindSpec(
        architecture=network,
        dataset="digits",
        parameters=ImpParameters(level=level),
        seeds=list(seeds),
        recipe=choice,
        exact=True,
    ).complete(family)


class TestImp:
    @pytest.mark.parametrize("network", ["mlp_2", "cifar_resnet_8_4"])
    def test_ten_levels_leave_exactly_what_repeated_pruning_leaves_at_every_level(
        self, bench: "Bench", network: str
    ) -> None:
        outcome = bench.run(imp(network, level=10, length="2it"))
        prunable = architecture(network, (1, 8, 8), 10).prunable_weights
        expected = [prunable]
        for _ in range(10):
            # ⌈s / 5⌉ in integers.
            expected.append(expected[-1] - -(-expected[-1] // 5))
        assert [round((1 - run.sparsity) * prunable) for run in outcome.runs] == expected[:-1]
        (file,) = bench.made(outcome)
        assert file.ticket.survivors == expected[-1]
        assert math.isclose(file.ticket.sparsity, 0.8926, abs_tol=2e-3)

    def test_the_ticket_is_the_mask_on_the_weights_at_the_rewind_point(
        self, bench: "Bench", fresh_bench: Callable[[str], "Bench"]
    ) -> None:
        (file,) = bench.made(bench.run(imp(rewind="7it", length="2ep", momentum=0.9)))
        assert file.ticket.rewind_step == 7
        # The weights after seven steps, from a dense job of seven steps.
        other = fresh_bench("other")
        to_k = other.run(
            FindSpec(
                architecture="mlp_2",
                dataset="digits",
                parameters=ImpParameters(level=1),
                recipe=RecipeChoice(length="7it", momentum=0.9),
                exact=True,
            ).complete("mlp")
        )
        theta_k = read_weights(other.diary.artifacts.path(to_k.runs[0].weights_digest))
        masks = file.ticket.bool_masks()
        for name, values in file.ticket.weights().items():
            assert np.array_equal(values, theta_k[name] * masks.get(name, True)), name

    def test_rewinding_to_step_zero_restarts_from_the_initialisation(self, bench: "Bench") -> None:
        (file,) = bench.made(bench.run(imp()))
        theta_0 = initialise(file.ticket.architecture, 0)
        masks = file.ticket.bool_masks()
        for name, values in file.ticket.weights().items():
            assert np.array_equal(values, theta_0[name] * masks.get(name, True)), name

    def test_the_mask_keeps_the_largest_trained_weights(self, bench: "Bench") -> None:
        outcome = bench.run(imp(level=1))
        (file,) = bench.made(outcome)
        trained = read_weights(bench.diary.artifacts.path(outcome.runs[0].weights_digest))
        masks = file.ticket.bool_masks()
        assert masks["fc.weight"].all()
        pruned = np.concatenate([np.abs(trained[n][~m]) for n, m in masks.items() if n != "fc.weight"])
        kept = np.concatenate([np.abs(trained[n][m]) for n, m in masks.items() if n != "fc.weight"])
        assert pruned.max() <= kept.min()

    def test_one_ticket_per_seed_with_its_provenance(self, bench: "Bench") -> None:
        files = bench.made(bench.run(imp(seeds=(4, 9))))
        assert [(f.metadata.seed, f.metadata.level, f.metadata.method) for f in files] == [
            (4, 2, "imp"),
            (9, 2, "imp"),
        ]
        assert len({ticket_id(file.ticket) for file in files}) == 2

    def test_every_level_says_what_its_pruned_weights_saved(self, bench: "Bench") -> None:
        outcome = bench.run(imp())
        size = architecture("mlp_2", (1, 8, 8), 10).prunable_weights
        flops = [run.speed["training_flops"] for run in outcome.runs if run.speed]
        # Two operations per weight, in three products.
        assert [each["dense"] for each in flops] == [6 * size] * 2
        assert flops[0]["sparse"] == 6 * size
        assert flops[1]["sparse"] == round(6 * size * (1 - outcome.runs[1].sparsity))

    def test_progress_counts_every_step_to_the_total(self, bench: "Bench") -> None:
        bench.run(imp(seeds=(0, 1), rewind="3it"))
        total = 2 * (3 + 2 * 9)
        assert [done for done, _, _ in bench.diary.steps] == list(range(1, total + 1))
        assert {of for _, of, _ in bench.diary.steps} == {total}


class TestTogether:
    """Seeds that take their steps as one computation are the seeds that take them alone, but for rounding."""

    @staticmethod
    def fast(*seeds: int) -> FindSpec:
        return imp(level=3, seeds=seeds, rewind="5it", length="2ep").model_copy(update={"exact": False})

    def test_each_seed_ends_in_a_ticket_of_its_own(
        self, bench: "Bench", fresh_bench: Callable[[str], "Bench"]
    ) -> None:
        outcome = bench.run(self.fast(0, 1, 2))
        assert [(run.seed, run.level) for run in outcome.runs] == [
            (seed, level) for level in range(3) for seed in (0, 1, 2)
        ]
        for seed, file in enumerate(bench.made(outcome)):
            (alone,) = (bench_ := fresh_bench(f"alone {seed}")).made(bench_.run(self.fast(seed)))
            assert file.metadata == alone.metadata
            assert file.ticket.survivors == alone.ticket.survivors
            masks = alone.ticket.bool_masks()
            agreeing = sum((mask == masks[name]).sum() for name, mask in file.ticket.bool_masks().items())
            assert agreeing > 0.99 * sum(mask.size for mask in masks.values())

    def test_a_crash_between_the_states_of_two_seeds_is_resumed_from_the_last_common_one(
        self, bench: "Bench", fresh_bench: Callable[[str], "Bench"], killed: type[BaseException]
    ) -> None:
        spec = self.fast(0, 1, 2)
        whole = fresh_bench("undisturbed")
        expected = {file.metadata.seed: file.ticket for file in whole.made(whole.run(spec))}
        bench.diary.saves_left = 7
        with pytest.raises(killed):
            bench.run(spec)
        bench.diary.saves_left = None
        for file in bench.made(bench.run(spec)):
            ticket = expected[file.metadata.seed]
            assert file.ticket.survivors == ticket.survivors
            for name, array in file.ticket.weights().items():
                np.testing.assert_allclose(array, ticket.weights()[name], atol=0.05)
        assert bench.diary.steps[-1][:2] == whole.diary.steps[-1][:2]


class TestRewinding:
    """The whole of IMP, written once more around the training loop alone (E-LTH, section 2)."""

    @pytest.mark.parametrize(
        "change",
        [
            {"momentum": 0.9},
            {"momentum": 0.9, "nesterov": True, "schedule": "cosine"},
            {"optimizer": "adam", "lr": 0.001, "schedule": "cosine"},
        ],
    )
    def test_every_level_trains_its_mask_from_the_weights_at_the_rewind_point(
        self, bench: "Bench", silent: Observer, change: dict[str, Any], train_alone: Any
    ) -> None:
        spec = imp(level=3, rewind="5it", length="2ep", **change)
        outcome = bench.run(spec)
        network = architecture("mlp_2", (1, 8, 8), 10)
        recipe, digits = spec.full_recipe, load("digits", Path("none"))
        masks = {tensor.name: np.ones(tensor.shape, bool) for tensor in network.prunable}
        # Five steps of the two epochs' schedule, not a schedule of five steps.
        theta_k = train_alone(
            network,
            digits,
            recipe,
            seed=0,
            weights=initialise(network, 0),
            masks=masks,
            end_step=5,
            observer=silent,
        ).weights
        for run in outcome.runs:
            level = train_alone(
                network, digits, recipe, seed=0, weights=theta_k, masks=masks, start_step=5, observer=silent
            ).weights
            found = read_weights(bench.diary.artifacts.path(run.weights_digest))
            assert all(np.array_equal(found[name], values) for name, values in level.items()), run.level
            masks = self.without_the_smallest_fifth(level, masks)
        (file,) = bench.made(outcome)
        assert all(np.array_equal(file.ticket.bool_masks()[name], mask) for name, mask in masks.items())
        assert all(
            np.array_equal(values, theta_k[name] * masks.get(name, True))
            for name, values in file.ticket.weights().items()
        )

    @staticmethod
    def without_the_smallest_fifth(
        weights: Mapping[str, NDArray[Any]], masks: dict[str, NDArray[np.bool_]]
    ) -> dict[str, NDArray[np.bool_]]:
        survivors = sum(int(mask.sum()) for mask in masks.values())
        candidates = sorted(
            (abs(float(weights[name].flat[i])), order, i, name)
            for order, (name, mask) in enumerate(masks.items())
            if name != "fc.weight"
            for i in np.flatnonzero(mask)
        )
        pruned = {name: mask.copy() for name, mask in masks.items()}
        for _, _, i, name in candidates[: -(-survivors // 5)]:
            pruned[name].flat[i] = False
        return pruned


class TestVariants:
    @staticmethod
    def find(**parameters: Any) -> FindSpec:
        spec = imp(level=2, rewind="5it", length="2ep", momentum=0.9)
        return spec.model_copy(update={"parameters": ImpParameters(level=2, **parameters)})

    def test_rewinding_to_the_initialisation_is_rewinding_to_step_zero(
        self, bench: "Bench", fresh_bench: Callable[[str], "Bench"]
    ) -> None:
        (found,) = bench.made(bench.run(self.find(rewind="init")))
        other = fresh_bench("other")
        (zero,) = other.made(other.run(imp(level=2, rewind="0it", length="2ep", momentum=0.9)))
        assert ticket_id(found.ticket) == ticket_id(zero.ticket)
        assert found.ticket.rewind_step == 0

    def test_learning_rate_rewinding_takes_the_schedule_back_and_leaves_the_weights(
        self, bench: "Bench", silent: Observer, train_alone: Any
    ) -> None:
        spec = self.find(rewind="learning_rate")
        outcome = bench.run(spec)
        network, recipe = architecture("mlp_2", (1, 8, 8), 10), spec.full_recipe
        digits = load("digits", Path("none"))
        trained = [read_weights(bench.diary.artifacts.path(run.weights_digest)) for run in outcome.runs]
        masks = {tensor.name: np.ones(tensor.shape, bool) for tensor in network.prunable}
        masks = TestRewinding.without_the_smallest_fifth(trained[0], masks)
        second = train_alone(
            network, digits, recipe, seed=0, weights=trained[0], masks=masks, start_step=5, observer=silent
        ).weights
        assert all(np.array_equal(trained[1][name], values) for name, values in second.items())
        masks = TestRewinding.without_the_smallest_fifth(second, masks)
        (file,) = bench.made(outcome)
        assert file.ticket.rewind_step == 5
        for name, values in file.ticket.weights().items():
            assert np.array_equal(values, second[name] * masks.get(name, True)), name

    def test_a_layer_s_scope_takes_a_fifth_of_every_layer_but_dense_ones(self, bench: "Bench") -> None:
        (file,) = bench.made(bench.run(self.find(scope="layer")))
        for layer in file.ticket.layers():
            left = layer.size
            for _ in range(0 if layer.name == "fc.weight" else 2):
                left -= -(-left // 5)
            assert layer.survivors == left, layer.name


class TestResume:
    def test_killed_after_every_save_it_ends_in_the_same_ticket_and_weights(
        self, bench: "Bench", fresh_bench: Callable[[str], "Bench"], killed: type[BaseException]
    ) -> None:
        spec = imp(rewind="3it", momentum=0.9)
        undisturbed = bench.run(spec)
        victim = fresh_bench("victim")
        deaths = 0
        while True:
            victim.diary.saves_left = 0
            try:
                outcome = victim.run(spec)
            except killed:
                deaths += 1
                continue
            break
        # Nothing goes on from the end of the last one, level 1.
        ended = [name for name, _, complete in victim.diary.saved if complete]
        assert ended == ["seed 0, to the rewind point", "seed 0, level 0"]
        assert deaths > len(ended)
        assert outcome.tickets == undisturbed.tickets
        assert [run.weights_digest for run in outcome.runs] == [
            run.weights_digest for run in undisturbed.runs
        ]
        assert outcome.results == undisturbed.results
        assert victim.diary.steps[-1][:2] == (3 + 2 * 9, 3 + 2 * 9)

    def test_a_finished_training_is_read_back_and_not_repeated(self, bench: "Bench") -> None:
        spec = imp()
        first = bench.run(spec)
        steps = len(bench.diary.steps)
        again = bench.run(spec)
        assert again.tickets == first.tickets
        # As it was measured then: nothing was evaluated this time.
        for then, now in zip(first.runs, again.runs, strict=True):
            assert then.speed is not None
            assert now.speed is not None
            assert now.speed["evaluation_seconds"] == then.speed["evaluation_seconds"] > 0
            assert now.speed["images"] == then.speed["images"] == 1437
        assert len(bench.diary.steps) == steps
