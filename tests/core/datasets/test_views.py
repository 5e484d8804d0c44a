from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.draws import Purpose, draw
from core.datasets.views import NUMBERS, View, central_view, random_view

SIDES = st.integers(1, 5000)
WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=NUMBERS, max_size=NUMBERS)


def by_the_book(numbers: list[int], width: int, height: int) -> View:
    """Attempt after attempt: an area of 8 to 100 %, a ratio between 3/4 and 4/3 in logarithm; a place if it fits."""
    for attempt in range(10):
        area = (8 + 92 * Fraction(numbers[2 * attempt] >> 11, 2**53)) / 100 * width * height
        ratio = (3 / 4) * (16 / 9) ** ((numbers[2 * attempt + 1] >> 11) / 2**53)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 1 <= w <= width and 1 <= h <= height:
            return View(
                numbers[20] % (width - w + 1), numbers[21] % (height - h + 1), w, h, numbers[22] % 2 == 1
            )
    if 4 * width < 3 * height:
        w, h = width, round(width * 4 / 3)
    elif 3 * width > 4 * height:
        w, h = round(height * 4 / 3), height
    else:
        w, h = width, height
    return View((width - w) // 2, (height - h) // 2, w, h, numbers[22] % 2 == 1)


def drawn(count: int) -> np.ndarray:
    return draw(Purpose.RESIZED_CROP, 0, 0, count * NUMBERS).reshape(count, NUMBERS)


class TestRandomView:
    @settings(max_examples=300, deadline=None)
    @given(WORDS, SIDES, SIDES)
    def test_it_is_the_first_attempt_that_fits(self, numbers: list[int], width: int, height: int) -> None:
        found = random_view(np.array(numbers, np.uint64), width, height)
        assert found == by_the_book(numbers, width, height)

    @settings(max_examples=300, deadline=None)
    @given(WORDS, SIDES, SIDES)
    def test_it_lies_inside_the_image(self, numbers: list[int], width: int, height: int) -> None:
        left, top, part_width, part_height, _ = random_view(np.array(numbers, np.uint64), width, height)
        assert part_width >= 1
        assert part_height >= 1
        assert 0 <= left <= left + part_width <= width
        assert 0 <= top <= top + part_height <= height

    def test_areas_ratios_and_places_are_spread_as_they_should_be(self) -> None:
        views = [random_view(numbers, 1000, 1000) for numbers in drawn(4000)]
        area = np.array([view.width * view.height / 1e6 for view in views])
        ratio = np.log([view.width / view.height for view in views])
        small = area < 0.5  # larger ones fit only when they are nearly square
        assert area.min() > 0.079
        assert abs(ratio).max() < math.log(4 / 3) + 0.01
        assert ratio[small].std() == pytest.approx(math.log(16 / 9) / math.sqrt(12), rel=0.05)
        assert np.histogram(area[small], bins=6, range=(0.08, 0.5))[0] / small.sum() == pytest.approx(
            1 / 6, abs=0.03
        )
        for place in (
            [view.left / (1000 - view.width + 1) for view in views],
            [view.mirrored for view in views],
        ):
            assert np.mean(place) == pytest.approx(0.5, abs=0.03)

    @pytest.mark.parametrize(
        ("width", "height", "expected"), [(9, 1000, (9, 12)), (1000, 9, (12, 9)), (90, 100, (90, 100))]
    )
    def test_without_a_fit_it_is_the_middle(self, width: int, height: int, expected: tuple[int, int]) -> None:
        numbers = np.full(NUMBERS, 2**64 - 1, np.uint64)  # the whole area at 4/3 never fits
        if width / height > 4 / 3:
            numbers[1:20:2] = 0  # nor at 3/4
        left, top, *size, _ = random_view(numbers, width, height)
        assert tuple(size) == expected
        assert (left, top) == ((width - expected[0]) // 2, (height - expected[1]) // 2)


class TestCentralView:
    @pytest.mark.parametrize(
        ("width", "height", "expected"),
        [
            (256, 256, (16, 16, 224, 224)),
            (512, 512, (32, 32, 448, 448)),
            (512, 256, (144, 16, 224, 224)),
            (256, 1024, (16, 400, 224, 224)),
            (128, 128, (8, 8, 112, 112)),
        ],
    )
    def test_it_is_224_of_256_on_the_short_side(
        self, width: int, height: int, expected: tuple[int, int, int, int]
    ) -> None:
        assert central_view(224, width, height) == (*expected, False)

    @settings(max_examples=200, deadline=None)
    @given(SIDES, SIDES)
    def test_it_lies_in_the_middle(self, width: int, height: int) -> None:
        left, top, part_width, part_height, _ = central_view(224, width, height)
        pixel = min(width, height) / 256
        assert left + part_width / 2 == pytest.approx(width / 2, abs=pixel)
        assert top + part_height / 2 == pytest.approx(height / 2, abs=pixel)
        assert 0 <= left <= left + part_width <= width + 1e-9
        assert 0 <= top <= top + part_height <= height + 1e-9
