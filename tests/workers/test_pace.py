"""The rate of an attempt's steps, by a clock that only moves when it is told to."""

from collections.abc import Iterable

import pytest

from workers.pace import ALIKE, Pace


class Steps:
    """Takes steps that last as long as they are told, and keeps what was said of 100 further ones after each."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pace = Pace(lambda: self.now)
        self.said: list[float | None] = []

    def take(self, seconds: Iterable[float]) -> list[float | None]:
        for lasted in seconds:
            self.now += lasted
            self.pace.step()
            self.said.append(self.pace.seconds_for(100))
        return self.said


@pytest.fixture
def steps() -> Steps:
    return Steps()


class TestFirstSteps:
    def test_before_any_nothing_is_said(self, steps: Steps) -> None:
        assert steps.pace.seconds_for(100) is None

    @pytest.mark.parametrize(("lasting", "hidden"), [(0.01, 200), (0.05, 40), (0.5, 20), (30.0, 20)])
    def test_nothing_is_said_for_2_seconds_and_20_steps(
        self, steps: Steps, lasting: float, hidden: int
    ) -> None:
        said = steps.take([lasting] * (hidden + 10))
        first = next(number for number, seconds in enumerate(said) if seconds is not None)
        # The very first step only starts the clock; sums of hundredths may need one step more.
        assert hidden <= first <= hidden + 2
        assert said[first:] == [pytest.approx(100 * lasting)] * (len(said) - first)

    def test_what_came_before_the_first_does_not_count(self, steps: Steps) -> None:
        assert steps.take([3600.0] + [0.1] * 60)[-1] == pytest.approx(10.0)


class TestRate:
    def test_a_slow_start_is_forgotten(self, steps: Steps) -> None:
        said = [seconds for seconds in steps.take([2.0] * 12 + [0.01] * 20_000) if seconds is not None]
        # Of the steps that last 0.01 s, 100 last 1 s: no later word is far from that.
        assert all(0.999 <= seconds <= ALIKE for seconds in said)
        assert said[-1] == pytest.approx(1.0, rel=0.02)

    @pytest.mark.parametrize("evaluation", [1.0, 5.0, 15.0])
    def test_pauses_that_come_back_belong_to_it(self, steps: Steps, evaluation: float) -> None:
        epoch = [1.0] * 14 + [1.0 + evaluation]
        said = steps.take(epoch * 40)
        assert said[-1] == pytest.approx(100 * (15 + evaluation) / 15, rel=0.1)
        assert sum(seconds is None for seconds in said) < 300

    def test_one_that_changes_later_is_followed_without_falling_silent(self, steps: Steps) -> None:
        steps.take([0.1] * 100)
        said = steps.take([0.5] * 400)[100:]
        assert None not in said
        assert said[-1] == pytest.approx(50, rel=0.2)

    def test_nothing_is_left_of_no_steps(self, steps: Steps) -> None:
        steps.take([0.1] * 100)
        assert steps.pace.seconds_for(0) == 0
