from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pruning.levels import quota, survivors_at


class TestQuota:
    @given(st.integers(0, 10**9), st.integers(0, 9999))
    def test_equals_decimal_arithmetic(self, survivors: int, ten_thousandths: int) -> None:
        expected = (Decimal(ten_thousandths) * survivors / 10_000).to_integral_value(ROUND_CEILING)
        assert quota(survivors, ten_thousandths / 10_000) == expected

    def test_an_exact_product_is_not_rounded_up(self) -> None:
        assert 0.07 * 100 > 7
        assert quota(100, 0.07) == 7

    def test_one_survivor_is_pruned(self) -> None:
        assert quota(1, 0.2) == 1

    @pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
    def test_a_fraction_outside_zero_to_one_is_refused(self, fraction: float) -> None:
        with pytest.raises(ValueError, match="fraction to prune"):
            quota(10, fraction)


class TestSurvivorsAt:
    def test_level_zero_is_dense(self) -> None:
        assert survivors_at(0, 270_896, 0.2) == 270_896

    def test_resnet_20_at_level_10(self) -> None:
        # ⌈·⌉ at every level by hand: 270896 − 54180 = 216716, − 43344 = 173372, …
        counts = [survivors_at(level, 270_896, 0.2) for level in range(11)]
        assert counts == [
            270896, 216716, 173372, 138697, 110957, 88765, 71012, 56809, 45447, 36357, 29085,
        ]  # fmt: skip
