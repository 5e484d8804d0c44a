from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from core.datasets import pace
from core.datasets.decoding import PIECE, Pace
from core.datasets.pace import climb, doublings, measured


class Machine:
    """A clock of its own, and processes that decode a piece in a second each as long as cores suffice."""

    def __init__(self, cores: int, overhead: float = 0.0) -> None:
        self.cores, self.overhead = cores, overhead
        self.now = 0.0
        self.tried: list[Pace] = []

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def open_at(self, pace: Pace) -> Iterator[None]:
        """Piece n goes to process n mod `processes`, as soon as that has fewer than `ahead` under way."""
        self.tried.append(pace)
        if pace.processes == 0:
            while True:
                self.now += 1
                yield
        cost = (1 + self.overhead) * max(1, pace.processes / self.cores)
        under_way = pace.processes * pace.ahead
        asked = [self.now] * under_way
        free = [self.now] * pace.processes
        number = 0
        while True:
            process = number % pace.processes
            free[process] = max(free[process], asked[number]) + cost
            self.now = max(self.now, free[process])
            asked.append(self.now)
            number += 1
            yield


@pytest.fixture
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Machine:
    allotted, cores, overhead = request.param
    machine = Machine(cores, overhead)
    monkeypatch.setattr(pace, "time", machine)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allotted)))
    return machine


class TestMeasured:
    @pytest.mark.parametrize(
        ("machine", "processes"),
        [((8, 8, 0), 8), ((8, 2, 0), 2), ((6, 8, 0), 6), ((6, 6, 0.5), 6), ((1, 1, 0), 0), ((2, 2, 2), 0)],
        indirect=["machine"],
    )
    def test_processes_are_added_while_they_bring_something(self, machine: Machine, processes: int) -> None:
        assert measured(machine.open_at, PIECE).processes == processes

    @pytest.mark.parametrize("machine", [(64, 4, 0)], indirect=True)
    def test_no_more_are_tried_than_one_doubling_too_many(self, machine: Machine) -> None:
        measured(machine.open_at, PIECE)
        assert sorted({tried.processes for tried in machine.tried}) == [0, 1, 2, 4, 8]

    @pytest.mark.parametrize("machine", [(2, 2, 0)], indirect=True)
    @pytest.mark.parametrize(("pieces", "ahead"), [(1, 1), (2, 1), (4, 2), (16, 8)])
    def test_they_work_a_batch_ahead_of_the_training(self, machine: Machine, pieces: int, ahead: int) -> None:
        assert measured(machine.open_at, pieces * PIECE) == Pace(2, ahead)

    @pytest.mark.parametrize("machine", [(2, 2, 0)], indirect=True)
    def test_the_log_says_what_was_measured(self, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            measured(machine.open_at, PIECE)
        assert "2 processes, 1 pieces of 32 ahead in each" in caplog.text
        assert "by processes: 32 in 0, 32 in 1, 64 in 2" in caplog.text


class TestClimb:
    @pytest.mark.parametrize(
        ("rates", "best"),
        [([1.0], 0), ([1.0, 1.04, 9.0], 0), ([1.0, 1.06, 1.07], 1), ([1.0, 2.0, 4.0], 2), ([2.0, 1.0], 0)],
    )
    def test_it_stops_below_five_percent(self, rates: list[float], best: int) -> None:
        assert climb(lambda number: rates[number], range(len(rates))) == best


class TestDoublings:
    @pytest.mark.parametrize(
        ("most", "expected"),
        [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])],
    )
    def test_the_most_is_the_last(self, most: int, expected: list[int]) -> None:
        assert doublings(most) == expected
