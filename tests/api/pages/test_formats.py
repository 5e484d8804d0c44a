"""Numbers, times and ids as they read on a page."""

import pytest

from api.pages import formats


class TestSpread:
    def test_mean_and_sample_deviation(self) -> None:
        assert formats.spread([0.90, 0.92, 0.94]) == "92.00 ± 2.00 %"

    def test_one_value_has_no_deviation(self) -> None:
        assert formats.spread([0.9]) == "90.00 %"


class TestDuration:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-0.1, "0.0 s"),
            (0.44, "0.4 s"),
            (9.96, "10 s"),
            (59.6, "1 min 00 s"),
            (192, "3 min 12 s"),
            (7500, "2 h 05 min"),
            (3599.7, "1 h 00 min"),
            (273_600, "3 d 4 h"),
        ],
    )
    def test_resolution_follows_length(self, seconds: float, text: str) -> None:
        assert formats.duration(seconds) == text


class TestAgo:
    @pytest.mark.parametrize(
        ("seconds", "text"), [(-3, "just now"), (12, "12 s ago"), (200, "3 min ago"), (90_000, "1 d ago")]
    )
    def test_is_coarse(self, seconds: float, text: str) -> None:
        assert formats.ago(seconds) == text


class TestNumbers:
    @pytest.mark.parametrize(
        ("values", "text"),
        [([0], "0"), ([0, 1], "0, 1"), ([2, 0, 1], "0–2"), ([0, 1, 2, 7, 9], "0–2, 7, 9"), ([], "")],
    )
    def test_runs_are_joined(self, values: list[int], text: str) -> None:
        assert formats.numbers(values) == text


class TestSize:
    @pytest.mark.parametrize(
        ("number", "text"),
        [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (119_427, "119.4 kB"), (5 * 10**9, "5.0 GB")],
    )
    def test_decimal_units(self, number: int, text: str) -> None:
        assert formats.size(number) == text


class TestScaled:
    @pytest.mark.parametrize(
        ("number", "unit", "text"),
        [
            (0, "s", "0 s"),
            (0.00214, "s", "2.14 ms"),
            (123.4e-6, "s", "123 µs"),
            (1, "s", "1.00 s"),
            (999.6, "J", "1.00 kJ"),
            (40_800_000, "FLOP", "40.8 MFLOP"),
            (2.5e-12, "s", "0.00 ns"),
            (7e20, "FLOP", "700000 PFLOP"),
        ],
    )
    def test_three_digits_and_a_prefix(self, number: float, unit: str, text: str) -> None:
        assert formats.scaled(number, unit) == text
