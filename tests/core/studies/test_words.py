"""How counts and amounts read in a sentence."""

import pytest

from core.studies.words import amount, plural


class TestPlural:
    @pytest.mark.parametrize(
        ("number", "words"), [(0, "0 tickets"), (1, "1 ticket"), (2, "2 tickets"), (28973, "28,973 tickets")]
    )
    def test_only_one_is_singular(self, number: int, words: str) -> None:
        assert plural(number, "ticket") == words

    def test_a_plural_of_its_own(self) -> None:
        assert [plural(n, "child", "children") for n in (1, 2)] == ["1 child", "2 children"]


class TestAmount:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (0.0, "0"),
            (0.012345, "0.0123"),
            (1.0, "1"),
            (2.5, "2.5"),
            (13.375, "13.38"),
            (120.0, "120"),
            (1234.5, "1,234.5"),
        ],
    )
    def test_digits_that_say_something(self, value: float, words: str) -> None:
        assert amount(value) == words
