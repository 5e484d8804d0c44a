from __future__ import annotations

from typing import Any

import pytest

from core.jobs.specs import TransformSpec, parse_spec
from core.studies.expansion import Expansion, resolved
from core.studies.spec import StudySpec


def expand(**change: Any) -> Expansion:
    return Expansion(StudySpec.model_validate({"study": "rivals", "dataset": "digits"} | change))


def arm(name: str, method: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "method": method, "parameters": parameters}


ETT, IMP, DENSE = arm("ETT", "ett"), arm("IMP", "imp"), arm("dense", "dense")
RESNETS = {"dataset": "cifar10", "sources": ["cifar_resnet_14"], "targets": ["cifar_resnet_20"]}


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
            spec = parse_spec({"kind": node.kind, **resolved(node.body, made.__getitem__)})
            replicates = spec.tickets if isinstance(spec, TransformSpec) else node.body["seeds"]
            made[node.key] = [(f"{number:060x}{n:04x}", 5000 + n) for n, _ in enumerate(replicates)]


class TestOnce:
    def test_a_source_s_tickets_are_found_once_for_all_its_targets_and_its_own_cell(self) -> None:
        expansion = expand(targets=["mlp_2", "mlp_3", "mlp_4"], arms=[ETT, IMP])
        finds = [node.key for node in expansion.nodes.values() if node.kind == "find"]
        assert finds == [f"mlp_{depth}/10/IMP/find/seeds 0,1,2" for depth in (2, 3, 4)]
        stretched = [cell for cell in expansion.cells if cell.arm == "ETT"]
        assert [(cell.source, cell.target, cell.shared) for cell in stretched] == [
            ("mlp_2", target, (finds[0],)) for target in ("mlp_3", "mlp_4")
        ]

    def test_the_dense_network_is_trained_once_for_all_levels(self) -> None:
        expansion = expand(levels=[3, 6], arms=[DENSE])
        assert [node.key for node in expansion.nodes.values()] == ["mlp_3/dense/train/seeds 0,1,2"]
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
        stretched = "mlp_3/10/from mlp_2/transform/seeds 4,9"
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
            "mlp_2/10/IMP/find/seeds 0,1,2"
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


class TestResolved:
    def test_references_become_ids_and_counts_wherever_they_stand(self) -> None:
        body = {
            "tickets": {"tickets_of": ["a", "b"]},
            "parameters": {"survivors": {"survivors_of": ["b", 1]}, "scope": "erk"},
            "seeds": [0, 1],
        }
        made = {"a": [("x", 1)], "b": [("y", 2), ("z", 3)]}
        assert resolved(body, made.__getitem__) == {
            "tickets": ["x", "y", "z"],
            "parameters": {"survivors": 3, "scope": "erk"},
            "seeds": [0, 1],
        }
