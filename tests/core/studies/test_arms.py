from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from core.jobs.methods import METHODS
from core.studies.arms import RIVALS, Arm


class TestArm:
    @pytest.mark.parametrize(
        ("method", "parameters", "follows"),
        [
            ("snip", {}, True),
            ("snip", {"sparsity": 0.9}, False),
            ("random", {"scope": "erk"}, True),
            ("random", {"pattern": "2:4"}, False),
            ("random", {"pattern": "4x1"}, True),
            ("rigl", {"multiplier": 5}, True),
            ("rigl", {"survivors": 7}, False),
            ("early_bird", {"channels": 0.3}, False),
            ("ett", {}, False),
            ("dense", {}, False),
        ],
    )
    def test_what_has_a_budget_and_is_given_none_follows_the_stretched_ticket(
        self, method: str, parameters: dict[str, Any], follows: bool
    ) -> None:
        assert Arm(name="a", method=method, parameters=parameters).follows is follows

    @pytest.mark.parametrize(
        ("method", "parameters", "said"),
        [
            ("magic", {}, "accepted: ett, dense, imp, one_shot_magnitude"),
            ("ett", {"level": 3}, "takes no level; accepted: head, noise"),
            ("ett", {"order": "backwards"}, "append"),
            ("ett", {"weights": "reinit", "start": "zero"}, "leave start out"),
            ("dense", {"level": 3}, "takes no parameters"),
            ("snip", {"rounds": 0}, "greater than or equal to 1"),
            ("grasp", {"batch": 5}, "Extra inputs are not permitted"),
        ],
    )
    def test_refuses(self, method: str, parameters: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            Arm(name="a", method=method, parameters=parameters)

    def test_methods_that_share_their_parameters_are_told_apart(self) -> None:
        assert Arm(name="a", method="set").given == {"method": "set"}

    def test_the_rivals_are_all_methods_with_a_budget_and_the_paper_s_own(self) -> None:
        assert {arm.method for arm in RIVALS} == METHODS.keys() - {"early_bird"} | {"ett", "dense"}
        assert all(arm.follows for arm in RIVALS if arm.method not in ("ett", "imp", "dense"))
