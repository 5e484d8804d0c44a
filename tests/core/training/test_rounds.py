from __future__ import annotations

from statistics import median

import pytest
import torch

from core.training.rounds import LEAST_ROUNDS, Rounds, in_rounds

CPU = torch.device("cpu")


class TestInRounds:
    def test_all_take_turns_and_every_other_round_is_backwards(self) -> None:
        calls: list[str] = []
        found = in_rounds(
            [lambda: calls.append("a"), lambda: calls.append("b"), lambda: calls.append("c")], CPU, 0
        )
        rounds = ["abc", "cba"] * LEAST_ROUNDS
        assert "".join(calls) == "abc" + "".join(rounds[:LEAST_ROUNDS])
        assert [len(times) for times in found.seconds] == [LEAST_ROUNDS] * 3

    def test_it_goes_on_for_as_long_as_it_was_told(self) -> None:
        assert len(in_rounds([lambda: None], CPU, 0.01).seconds[0]) > LEAST_ROUNDS

    def test_nothing_is_kept_for_a_gradient(self) -> None:
        weight, seen = torch.ones(1, requires_grad=True), []
        in_rounds([lambda: seen.append((weight * 2).requires_grad)], CPU, 0)
        assert not any(seen)


class TestBeats:
    @pytest.mark.parametrize(("won", "faster"), [(10, True), (8, True), (7, False), (0, False)])
    def test_it_takes_four_fifths_of_the_rounds(self, won: int, faster: bool) -> None:
        rounds = Rounds([[1.0] * won + [3.0] * (10 - won), [2.0] * 10])
        assert rounds.beats(0, 1) is faster

    def test_nothing_beats_what_is_as_fast(self) -> None:
        assert not Rounds([[1.0] * 9, [1.0] * 9]).beats(0, 1)

    def test_the_median_is_each_one_s_own(self) -> None:
        seconds = [[3.0, 1.0, 9.0], [5.0, 4.0, 4.5]]
        rounds = Rounds(seconds)
        assert [rounds.median(i) for i in (0, 1)] == [median(times) for times in seconds]
