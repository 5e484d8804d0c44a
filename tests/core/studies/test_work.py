from __future__ import annotations

from typing import Any

import pytest

from core.jobs.specs import parse_spec
from core.studies.expansion import Expansion
from core.studies.nodes import resolved
from core.studies.spec import StudySpec
from core.studies.work import Unit, once, units

# 1437 images of digits in batches of 128: 12 steps an epoch.
T = 24
RECIPE = {"length": "2ep", "batch": 128}


def arm(name: str, method: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "method": method, "parameters": parameters}


ETT, IMP, DENSE = arm("ETT", "ett"), arm("IMP", "imp"), arm("dense", "dense")


def work(*arms: dict[str, Any], **change: Any) -> dict[str, tuple[Unit, ...]]:
    fields = {
        "datasets": ["digits"],
        "sources": ["mlp_2"],
        "targets": ["mlp_3"],
        "levels": [3],
        "arms": list(arms),
        "seeds": [0],
        "recipe": RECIPE,
    }
    return units(Expansion(StudySpec.model_validate(fields | change)).nodes)


def told(found: dict[str, tuple[Unit, ...]]) -> list[tuple[str, str, int, float]]:
    return [
        (unit.network, unit.dataset, unit.steps, unit.whole) for several in found.values() for unit in several
    ]


class TestImp:
    def test_is_a_training_per_level_and_one_of_the_ticket(self) -> None:
        assert told(once(work(IMP))) == [("mlp_3", "digits", T, 1)] * 4

    def test_a_longer_one_has_the_levels_and_the_ticket_s_training_of_a_shorter(self) -> None:
        own = once(work(IMP, levels=[2, 5]))
        assert {key: len(several) for key, several in own.items()} == {
            "digits/mlp_3/2/IMP/find/seed 0": 2,
            "digits/mlp_3/2/IMP/train/seed 0": 1,
            # Level 2 was trained as the ticket of level 2.
            "digits/mlp_3/5/IMP/find/seed 0": 2,
            "digits/mlp_3/5/IMP/train/seed 0": 1,
        }

    def test_the_way_to_the_rewind_point_is_gone_once_and_is_no_training(self) -> None:
        own = once(work(IMP, DENSE, levels=[2, 3], recipe=RECIPE | {"rewind": "7it"}))
        steps = [(unit.steps, unit.whole) for several in own.values() for unit in several]
        assert sorted(steps) == sorted([(7, 0), *[(T - 7, 1)] * 4, (T, 1)])

    def test_without_rewinding_level_0_is_the_dense_training(self) -> None:
        own = once(work(IMP, DENSE))
        assert own["digits/mlp_3/dense/train/seed 0"] == ()

    def test_seeds_have_trainings_of_their_own_which_a_perceptron_takes_together(self) -> None:
        own = once(work(IMP, seeds=list(range(11))))
        assert len(told(own)) == 11 * 4
        trained = own["digits/mlp_3/3/IMP/train/seeds 0,1,2,3,4,5,6,7,8,9,10"]
        assert [unit.together for unit in trained] == [8] * 8 + [3] * 3

    def test_exact_seeds_are_trained_each_by_itself(self) -> None:
        own = once(work(IMP, seeds=[0, 1], exact=True))
        assert {unit.together for several in own.values() for unit in several} == {1}


class TestTickets:
    def test_a_stretched_one_continues_where_it_was_found(self) -> None:
        own = once(work(ETT, recipe=RECIPE | {"rewind": "7it"}))
        assert told(own) == [
            ("mlp_2", "digits", 7, 0),
            *[("mlp_2", "digits", T - 7, 1)] * 3,
            ("mlp_3", "digits", T - 7, 1),
        ]

    @pytest.mark.parametrize("ablation", [{"start": "zero"}, {"weights": "reinit"}])
    def test_one_over_the_weights_of_step_0_starts_there(self, ablation: dict[str, str]) -> None:
        own = once(work(arm("ETT", "ett", **ablation), recipe=RECIPE | {"rewind": "7it"}))
        assert told(own)[-1] == ("mlp_3", "digits", T, 1)

    def test_on_another_dataset_it_starts_at_step_0_of_that_dataset_s_recipe(self) -> None:
        own = once(
            work(
                ETT,
                datasets=["mnist"],
                found_on=["digits"],
                recipes={"mnist": {"length": "1ep"}},
                recipe=RECIPE | {"rewind": "7it"},
            )
        )
        assert told(own)[-1] == ("mlp_3", "mnist", 469, 1)
        assert {dataset for _, dataset, _, _ in told(own)[:-1]} == {"digits"}

    def test_two_orders_are_two_trainings_of_one_ticket(self) -> None:
        own = once(work(ETT, arm("ETT, interpolated", "ett", order="interpolate")))
        assert len(told(own)) == 3 + 2

    def test_two_data_orders_are_two_trainings(self) -> None:
        own = once(work(ETT, connect=True, seeds=[0, 1]))
        trained = own["digits/mlp_3/3/ETT from mlp_2/train/seeds 0,1"]
        assert len({unit.key for unit in trained}) == 4
        assert [key for key in own if "connect" in key and own[key]] == []


class TestRivals:
    @pytest.mark.parametrize(
        ("rival", "spent"),
        [
            (arm("a", "random", sparsity=0.8), [(T, 1)]),
            (arm("a", "random", sparsity=0.8, at="rewind"), [(7, 0), (T - 7, 1)]),
            (arm("a", "snip", sparsity=0.8), [(1, 0), (T, 1)]),
            (arm("a", "snip", sparsity=0.8, rounds=30), [(30, 0), (T, 1)]),
            (arm("a", "force", sparsity=0.8), [(20, 0), (T, 1)]),
            (arm("a", "grasp", sparsity=0.8), [(3, 0), (T, 1)]),
            (arm("a", "synflow", sparsity=0.8), [(100, 0), (T, 1)]),
            (arm("a", "one_shot_magnitude", sparsity=0.8), [(T, 1)]),
            (arm("a", "rigl", sparsity=0.8, multiplier=5), [(5 * T, 5)]),
            (arm("a", "set", sparsity=0.8), [(T, 1)]),
        ],
    )
    def test_what_each_spends(self, rival: dict[str, Any], spent: list[tuple[int, float]]) -> None:
        own = once(work(rival, recipe=RECIPE | {"rewind": "7it"}))
        assert [(steps, whole) for _, _, steps, whole in told(own)] == spent

    def test_early_bird_spends_at_most_one_training_before_its_own(self) -> None:
        own = once(work(arm("a", "early_bird"), sources=["cifar_resnet_8"], targets=["cifar_resnet_8"]))
        assert [(steps, whole) for _, _, steps, whole in told(own)] == [(T, 1), (T, 1)]

    def test_budgets_that_follow_another_ticket_need_not_be_known(self) -> None:
        own = once(work(ETT, arm("SNIP", "snip"), arm("RigL", "rigl"), seeds=[0, 1]))
        looks = [unit for several in own.values() for unit in several if unit.whole == 0]
        assert [unit.steps for unit in looks] == [1, 1]


class TestAgainstTheJobs:
    @pytest.mark.parametrize("study", ["rivals", "elth_fc", "elth_orders", "elth_lmc", "elth_dataset"])
    def test_every_job_has_a_training_for_every_run_that_it_will_record(self, study: str) -> None:
        expansion = Expansion(
            StudySpec.model_validate(
                {"study": study, "scale": "small", "datasets": ["digits"]}
                if study == "rivals"
                else {"study": study, "scale": "small"}
            )
        )
        made: dict[str, list[tuple[str, int]]] = {}
        found = units(expansion.nodes)
        for number, node in enumerate(expansion.nodes.values()):
            body = resolved(node.body, made.__getitem__, lambda key: f"{abs(hash(key)):032x}"[:32])
            spec: Any = parse_spec({"kind": node.kind, **body})
            count = len(getattr(spec, "tickets", None) or getattr(spec, "seeds", None) or [])
            made[node.key] = [(f"{number:060x}{n:04x}", 5000 + n) for n in range(count)]
            match spec.kind:
                case "find":
                    runs = len(spec.seeds) * getattr(spec.parameters, "level", 0)
                case "train":
                    runs = count * len(spec.order_seeds or [None])
                case _:
                    runs = 0
            assert sum(unit.whole > 0 for unit in found[node.key]) == runs, node.key
