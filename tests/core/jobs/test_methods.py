from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.jobs.methods import FINDING, METHODS, Budget, OneShotParameters, SynflowParameters


class TestBudget:
    @given(st.integers(0, 10**9), st.decimals(0, Decimal("0.9999"), places=4))
    def test_the_pruned_share_is_the_decimal_as_it_is_written(self, prunable: int, sparsity: Decimal) -> None:
        pruned = math.floor(sparsity * prunable)
        assert Budget(sparsity=float(sparsity)).survivors_of(prunable) == prunable - pruned

    def test_a_count_is_taken_as_it_is(self) -> None:
        assert Budget(survivors=7).survivors_of(1000) == 7

    @pytest.mark.parametrize("given", [{}, {"survivors": 5, "sparsity": 0.5}])
    def test_needs_one_of_both(self, given: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="either survivors or sparsity"):
            Budget.model_validate(given)


class TestOneShot:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, "give one of survivors"),
            ({"pattern": "2:4", "sparsity": 0.5}, "give one of survivors"),
            ({"pattern": "4x1"}, "give one of survivors"),
            ({"pattern": "4:4"}, "fewer than 4 must survive"),
            ({"pattern": "2:4", "scope": "erk"}, "leave scope out"),
            ({"pattern": "4x1", "survivors": 5, "scope": "uniform"}, "leave scope out"),
            ({"pattern": "2 of 4"}, "match pattern"),
            ({"survivors": 5, "at": "end"}, "'init' or 'rewind'"),
        ],
    )
    def test_refuses(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            OneShotParameters.model_validate(given)

    def test_a_pattern_n_of_m_cannot_be_pruned_to_in_rounds(self) -> None:
        with pytest.raises(ValidationError, match="give rounds 1"):
            SynflowParameters.model_validate({"pattern": "2:4"})
        assert not SynflowParameters.model_validate({"pattern": "2:4", "rounds": 1}).has_budget


class TestMethods:
    def test_every_one_says_where_it_comes_from_and_what_it_costs(self) -> None:
        for name, method in METHODS.items():
            assert (method.name, bool(method.source), bool(method.cost)) == (name, True, True)

    def test_dynamic_ones_are_no_way_to_find_a_ticket(self) -> None:
        assert METHODS.keys() - FINDING.keys() == {"rigl", "set", "static"}

    def test_what_they_spend(self) -> None:
        spent = {
            name: method.trainings(method.parameters.model_construct()) for name, method in METHODS.items()
        }
        assert spent == dict.fromkeys(METHODS, 0) | {"imp": 10, "rigl": 1, "set": 1, "static": 1}
