from __future__ import annotations

from typing import Any

from workers.strides import LEAST_SECONDS, Strides


class Made:
    """A trainer's time, in a test's hands, and the spans that came of it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.spans: list[tuple[str, float, float, dict[str, Any]]] = []
        self.strides = Strides(self._take, lambda: self.now)

    def _take(self, message: str, *, name: str, begun: float, ended: float, told: dict[str, Any]) -> None:
        assert message == "span"
        self.spans.append((name, begun, ended, told))

    def after(self, seconds: float) -> Strides:
        self.now += seconds
        return self.strides


class TestStrides:
    def test_getting_ready_lasts_to_the_end_of_the_first_step(self) -> None:
        made = Made()
        made.after(3).step()
        made.after(1).step()
        assert made.spans == [("prepare", 100.0, 103.0, {})]

    def test_a_long_epoch_is_one_span_and_short_ones_are_one_together(self) -> None:
        made = Made()
        made.after(LEAST_SECONDS).epoch("dense", 1, 12)
        for epoch in (2, 3, 4):
            made.after(LEAST_SECONDS / 2.5).epoch("dense", epoch, 12 * epoch)
        (_, _, _, first), (name, begun, ended, told) = made.spans
        assert (first["elasticket.epoch.first"], first["elasticket.epoch.last"]) == (1, 1)
        assert (name, begun) == ("train", 100.0 + LEAST_SECONDS)
        assert abs(ended - begun - 3 * LEAST_SECONDS / 2.5) < 1e-9
        assert told == {
            "elasticket.training": "dense",
            "elasticket.epoch.first": 2,
            "elasticket.epoch.last": 4,
            "elasticket.step": 48,
        }

    def test_what_is_written_is_no_part_of_an_epoch_and_ends_the_one_before(self) -> None:
        made = Made()
        made.after(0.1).epoch("dense", 1, 12)
        made.now += 0.05
        with made.strides.doing("checkpoint"):
            made.now += 0.2
        made.after(1).epoch("dense", 2, 24)
        spans = [(name, round(begun, 3), round(ended, 3)) for name, begun, ended, _ in made.spans]
        assert spans == [("train", 100.0, 100.1), ("checkpoint", 100.15, 100.35), ("train", 100.35, 101.35)]

    def test_what_fails_to_be_written_is_told_too(self) -> None:
        made = Made()
        try:
            with made.strides.doing("checkpoint"):
                raise OSError
        except OSError:
            pass
        assert [name for name, *_ in made.spans] == ["checkpoint"]
