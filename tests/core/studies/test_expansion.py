from __future__ import annotations

from typing import Any, ClassVar

import pytest

from core.jobs.specs import TransformSpec, parse_spec
from core.studies.expansion import Expansion
from core.studies.nodes import key_of, resolved
from core.studies.spec import StudySpec


def expand(**change: Any) -> Expansion:
    return Expansion(StudySpec.model_validate({"study": "rivals", "datasets": ["digits"]} | change))


def arm(name: str, method: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "method": method, "parameters": parameters}


ETT, IMP, DENSE = arm("ETT", "ett"), arm("IMP", "imp"), arm("dense", "dense")
RESNETS = {"datasets": ["cifar10"], "sources": ["cifar_resnet_14"], "targets": ["cifar_resnet_20"]}


class TestOrder:
    @pytest.mark.parametrize("change", [{}, RESNETS, {"levels": [3, 6]}, {"targets": ["mlp_2", "mlp_4"]}])
    def test_every_job_comes_after_those_that_it_needs(self, change: dict[str, Any]) -> None:
        expansion = expand(**change)
        seen: set[str] = set()
        for node in expansion.nodes.values():
            assert set(node.needs) <= seen, node.key
            seen.add(node.key)
        assert all({*cell.trained, *cell.own, *cell.shared} <= seen for cell in expansion.cells)

    @pytest.mark.parametrize("change", [{}, RESNETS])
    def test_with_tickets_in_place_of_references_every_body_is_a_job_s_spec(
        self, change: dict[str, Any]
    ) -> None:
        made: dict[str, list[tuple[str, int]]] = {}
        for number, node in enumerate(expand(**change).nodes.values()):
            spec = parse_spec({"kind": node.kind, **resolved(node.body, made.__getitem__, lambda key: key)})
            replicates = spec.tickets if isinstance(spec, TransformSpec) else node.body["seeds"]
            made[node.key] = [(f"{number:060x}{n:04x}", 5000 + n) for n, _ in enumerate(replicates)]


class TestOnce:
    def test_a_source_s_tickets_are_found_once_for_all_its_targets_and_its_own_cell(self) -> None:
        expansion = expand(targets=["mlp_2", "mlp_3", "mlp_4"], arms=[ETT, IMP])
        finds = [node.key for node in expansion.nodes.values() if node.kind == "find"]
        assert finds == [f"digits/mlp_{depth}/10/IMP/find/seeds 0,1,2" for depth in (2, 3, 4)]
        stretched = [cell for cell in expansion.cells if cell.arm == "ETT"]
        assert [(cell.source, cell.target, cell.shared) for cell in stretched] == [
            ("mlp_2", target, (finds[0],)) for target in ("mlp_3", "mlp_4")
        ]

    def test_the_dense_network_is_trained_once_for_all_levels(self) -> None:
        expansion = expand(levels=[3, 6], arms=[DENSE])
        assert [node.key for node in expansion.nodes.values()] == ["digits/mlp_3/dense/train/seeds 0,1,2"]
        assert len(expansion.cells) == 2


class TestSeeds:
    def test_a_perceptron_s_seeds_are_one_job_and_another_network_s_one_each(self) -> None:
        together = expand(arms=[IMP], seeds=[4, 9])
        apart = expand(**RESNETS, arms=[IMP], seeds=[4, 9])
        assert [node.body["seeds"] for node in together.nodes.values()] == [[4, 9], [4, 9]]
        assert [node.body["seeds"] for node in apart.nodes.values()] == [[4], [9], [4], [9]]


class TestBudgets:
    def test_every_seed_of_a_rival_keeps_what_the_stretched_ticket_of_that_seed_keeps(self) -> None:
        expansion = expand(arms=[arm("SNIP", "snip", rounds=2)], seeds=[4, 9])
        finds = [node for node in expansion.nodes.values() if node.body.get("method") == "snip"]
        stretched = "digits/mlp_3/10/from mlp_2/transform/seeds 4,9"
        assert [(node.body["seeds"], node.body["parameters"]) for node in finds] == [
            ([seed], {"rounds": 2, "survivors": {"survivors_of": [stretched, n]}})
            for n, seed in enumerate([4, 9])
        ]
        (cell,) = expansion.cells
        (train,) = (expansion.nodes[key] for key in cell.trained)
        assert train.body["tickets"] == {"tickets_of": [node.key for node in finds]}
        assert train.body["seeds"] == [4, 9]

    def test_on_the_source_itself_they_keep_what_imp_s_own_keeps(self) -> None:
        expansion = expand(targets=["mlp_2"], arms=[arm("SNIP", "snip")])
        assert {node.kind for node in expansion.nodes.values()} == {"find", "train"}
        assert {key for node in expansion.nodes.values() for key in node.needs if "IMP" in key} == {
            "digits/mlp_2/10/IMP/find/seeds 0,1,2"
        }

    def test_a_dynamic_rival_is_a_training_with_a_schedule(self) -> None:
        expansion = expand(arms=[arm("RigL", "rigl", multiplier=5)], seeds=[4, 9])
        (cell,) = expansion.cells
        bodies = [expansion.nodes[key].body for key in cell.trained]
        assert [body["sparsity_schedule"]["survivors"]["survivors_of"][1] for body in bodies] == [0, 1]
        assert all(body["sparsity_schedule"]["multiplier"] == 5 for body in bodies)
        assert all(body["sparsity_schedule"]["method"] == "rigl" for body in bodies)

    def test_a_budget_of_one_s_own_needs_no_stretched_ticket(self) -> None:
        expansion = expand(arms=[arm("SNIP", "snip", sparsity=0.9), arm("bird", "early_bird")])
        assert not any(node.needs for node in expansion.nodes.values() if node.kind == "find")


class TestStretched:
    def test_an_order_that_does_not_fit_a_pair_has_no_cell(self) -> None:
        expansion = expand(
            sources=["mlp_3"], targets=["mlp_2", "mlp_4"], arms=[ETT], orders=["append", "drop_first"]
        )
        assert [(cell.target, cell.arm) for cell in expansion.cells] == [
            ("mlp_2", "ETT, drop_first"),
            ("mlp_4", "ETT, append"),
        ]
        orders = [node.body.get("order") for node in expansion.nodes.values() if node.kind == "transform"]
        assert orders == ["drop_first", "append"]

    def test_where_none_fits_all_are_left_to_be_refused(self) -> None:
        expansion = expand(sources=["mlp_3"], targets=["mlp_2"], arms=[ETT], orders=["append"])
        assert [cell.arm for cell in expansion.cells] == ["ETT, append"]

    def test_an_arm_s_own_order_is_left_alone(self) -> None:
        own = {**ETT, "parameters": {"order": "interpolate", "permute": 3}}
        expansion = expand(arms=[own], orders=["append"])
        (node,) = (node for node in expansion.nodes.values() if node.kind == "transform")
        assert (node.body["order"], node.body["permute"]) == ("interpolate", 3)

    def test_the_source_s_own_ticket_stands_for_imp_where_no_other_arm_does(self) -> None:
        def trained(*arms: dict[str, Any]) -> list[tuple[str, str]]:
            cells = expand(targets=["mlp_2", "mlp_3"], arms=[*arms]).cells
            return [(cell.target, cell.arm) for cell in cells]

        assert trained(ETT) == [("mlp_2", "ETT"), ("mlp_3", "ETT")]
        assert ("mlp_2", "ETT") not in trained(ETT, IMP)

    def test_every_transformation_knows_the_network_it_starts_from(self) -> None:
        expansion = expand(sources=["mlp_2", "mlp_4"], targets=["mlp_3"], arms=[ETT])
        assert [network.name for network in expansion.stretched.values()] == ["mlp_2", "mlp_4"]


class TestDatasets:
    ACROSS: ClassVar = {
        "datasets": ["digits", "digits_32"],
        "found_on": ["digits"],
        "sources": ["cifar_resnet_14"],
        "targets": ["cifar_resnet_14"],
        "seeds": [0],
    }

    def test_a_ticket_found_elsewhere_is_refitted_and_trained_there(self) -> None:
        expansion = expand(**self.ACROSS, arms=[ETT, IMP])
        (cell,) = (cell for cell in expansion.cells if cell.method == "ett")
        assert (cell.dataset, cell.source, cell.found_on) == ("digits_32", "cifar_resnet_14", "digits")
        (key,) = cell.own
        assert expansion.nodes[key].body == {
            "tickets": {"tickets_of": ["digits/cifar_resnet_14/10/IMP/find/seed 0"]},
            "architecture": "cifar_resnet_14",
            "dataset": "digits_32",
        }
        (train,) = (expansion.nodes[key] for key in cell.trained)
        assert train.body["dataset"] == "digits_32"

    def test_where_images_and_classes_are_alike_it_is_trained_as_it_is(self) -> None:
        expansion = expand(**self.ACROSS | {"datasets": ["cifar10"], "found_on": ["svhn"]}, arms=[ETT])
        (cell,) = expansion.cells
        assert (cell.own, cell.found_on) == (("svhn/cifar_resnet_14/10/IMP/find/seed 0",), "svhn")

    def test_rivals_follow_the_ticket_found_on_their_own_dataset_where_there_is_one(self) -> None:
        expansion = expand(**self.ACROSS, arms=[arm("random", "random")])
        needs = {node.key: node.needs for node in expansion.nodes.values() if "random/find" in node.key}
        assert needs == {
            "digits/cifar_resnet_14/10/random/find/seed 0": ("digits/cifar_resnet_14/10/IMP/find/seed 0",),
            "digits_32/cifar_resnet_14/10/random/find/seed 0": (
                "digits_32/cifar_resnet_14/10/from cifar_resnet_14 on digits/transform/seed 0",
            ),
        }


class TestConnect:
    def test_the_two_trainings_of_every_ticket_are_connected(self) -> None:
        expansion = expand(arms=[IMP], seeds=[4, 9], connect=True)
        (cell,) = expansion.cells
        (train,) = cell.trained
        assert expansion.nodes[train].body["order_seeds"] == [0, 1]
        runs = [[end["run"] for end in expansion.nodes[key].body["trainings"]] for key in cell.lines]
        assert runs == [[0, 1], [2, 3]]
        assert all(expansion.nodes[key].needs == (train,) for key in cell.lines)


class TestKeys:
    def test_of_many_seeds_the_first_are_named_and_no_two_lists_share_a_key(self) -> None:
        label = "d" * 16
        lists = [[2**31 - n - many for n in range(64)] for many in range(3)]
        keys = {key_of(label, seeds) for seeds in lists}
        assert len(keys) == 3
        assert max(map(len, keys)) < len(label) + 60
        assert all(str(seeds[0]) in key_of(label, seeds) for seeds in lists)


class TestResolved:
    def test_a_job_is_named_where_it_is_asked_for_itself(self) -> None:
        body = {"trainings": [{"job": {"job_of": "a"}, "run": 1}]}
        assert resolved(body, lambda _: [], {"a": "id"}.__getitem__) == {
            "trainings": [{"job": "id", "run": 1}]
        }

    def test_references_become_ids_and_counts_wherever_they_stand(self) -> None:
        body = {
            "tickets": {"tickets_of": ["a", "b"]},
            "parameters": {"survivors": {"survivors_of": ["b", 1]}, "scope": "erk"},
            "seeds": [0, 1],
        }
        made = {"a": [("x", 1)], "b": [("y", 2), ("z", 3)]}
        assert resolved(body, made.__getitem__, lambda key: key) == {
            "tickets": ["x", "y", "z"],
            "parameters": {"survivors": 3, "scope": "erk"},
            "seeds": [0, 1],
        }
