from __future__ import annotations

import numpy as np
import pytest

from core.pruning.set_growth import keys


class TestKeys:
    def test_are_what_they_always_were(self) -> None:
        assert keys(3, 100, "fc.weight", 2).tolist() == [782354986350028920, 8551510944732813193]

    @pytest.mark.parametrize("other", [(4, 100, "fc.weight"), (3, 200, "fc.weight"), (3, 100, "fc2.weight")])
    def test_differ_by_seed_step_and_tensor(self, other: tuple[int, int, str]) -> None:
        assert (keys(*other, 50) != keys(3, 100, "fc.weight", 50)).all()

    def test_are_not_negative_and_every_weight_is_equally_likely_to_have_a_large_one(self) -> None:
        rounds, grown = 4000, 10
        counts = np.zeros(50)
        for step in range(rounds):
            drawn = keys(0, step, "w", 50)
            assert drawn.min() >= 0
            counts[np.argsort(drawn)[-grown:]] += 1
        p = grown / 50
        deviations = (counts - rounds * p) / np.sqrt(rounds * p * (1 - p))
        assert np.abs(deviations).max() < 4.5
