from __future__ import annotations

import numpy as np
import pytest

from core.datasets.draws import BLOCK, Purpose, draw


class TestDraw:
    @pytest.mark.parametrize("start", [0, BLOCK, 10 * BLOCK])
    def test_a_later_start_skips_numbers(self, start: int) -> None:
        whole = draw(Purpose.RESIZED_CROP, 3, 2, 100)
        np.testing.assert_array_equal(draw(Purpose.RESIZED_CROP, 3, 2, 50, start), whole[start : start + 50])

    def test_every_purpose_has_numbers_of_its_own(self) -> None:
        drawn = [draw(purpose, 3, 2, 100) for purpose in Purpose]
        assert len({number for numbers in drawn for number in numbers.tolist()}) == 100 * len(Purpose)
