from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from core.training import speed
from core.training.mode import EXACT, Mode
from core.training.speed import Speed, Speedometer

CPU = torch.device("cpu")
BEFORE = Speed(
    mode="float32",
    replicates=1,
    images=1000,
    images_per_second=500.0,
    step_seconds={"data": 0.25},
    evaluation_seconds=3.0,
    peak_memory_bytes=1 << 50,
    energy_joules=None,
)


class TestReading:
    def test_names_what_was_measured(self) -> None:
        meter = Speedometer(CPU, Mode(precision="bfloat16"), 3)
        meter.saw(96)
        found = meter.reading()
        assert (found.mode, found.replicates, found.images) == ("bfloat16", 3, 96)
        assert found.images_per_second is not None
        assert found.images_per_second >= 96 / meter.seconds
        assert found.peak_memory_bytes is not None
        assert found.peak_memory_bytes > 10_000_000

    def test_evaluation_is_no_training(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [0.0]
        monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
        meter = Speedometer(CPU, Mode(), 1)
        meter.saw(50)
        now[0] = 2.0
        with meter.evaluating():
            now[0] = 5.0
        assert meter.reading().evaluation_seconds == 3
        assert meter.reading().images_per_second == 25

    def test_without_a_step_there_is_no_rate(self) -> None:
        assert Speedometer(CPU, EXACT, 1).reading().images_per_second is None

    def test_energy_is_what_the_device_counted_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counter = tmp_path / "energy_uj"
        monkeypatch.setattr(speed, "_CPU_ENERGY", counter)
        assert Speedometer(CPU, Mode(), 1).reading().energy_joules is None
        counter.write_text("1000000\n")
        meter = Speedometer(CPU, Mode(), 1)
        counter.write_text("3500000\n")
        assert meter.reading().energy_joules == 2.5


class TestResumed:
    def test_without_another_step_it_is_what_was_measured_then(self) -> None:
        assert Speedometer(CPU, EXACT, 2, BEFORE).reading() == BEFORE

    def test_amounts_add_up_and_the_rate_is_that_of_all_images(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [0.0]
        monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
        meter = Speedometer(CPU, EXACT, 1, BEFORE)
        meter.saw(400)
        now[0] = 4.0
        with meter.evaluating():
            now[0] = 5.0
        found = meter.reading()
        # 1000 images in 2 s, then 400 in 4 s.
        assert (found.images, found.images_per_second) == (1400, pytest.approx(1400 / 6))
        assert found.evaluation_seconds == 4
        assert found.mode == "float32, exact"
        assert found.peak_memory_bytes == BEFORE.peak_memory_bytes
        assert found.step_seconds == BEFORE.step_seconds

    @pytest.mark.parametrize(("before", "known"), [(None, None), (10.0, 12.5)])
    def test_energy_is_known_where_all_of_it_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: float | None, known: float | None
    ) -> None:
        counter = tmp_path / "energy_uj"
        monkeypatch.setattr(speed, "_CPU_ENERGY", counter)
        counter.write_text("1000000")
        meter = Speedometer(CPU, Mode(), 1, dataclasses.replace(BEFORE, energy_joules=before))
        meter.saw(1)
        counter.write_text("3500000")
        assert meter.reading().energy_joules == known


class TestOfATraining:
    def test_every_image_counts_once_however_often_it_is_resumed(
        self, resnet: Any, photographs: Any, recipe: Any, start: Any, recorder: Any, train_alone: Any
    ) -> None:
        def run(observer: Any, state: Any = None) -> Any:
            return train_alone(
                resnet,
                photographs,
                recipe,
                seed=0,
                weights=start.weights,
                masks=start.masks,
                observer=observer,
                state=state,
            )

        observer = recorder()
        undisturbed = run(observer)
        # 20 steps: three epochs of 44 images, then two batches of 8.
        assert undisturbed.speed.images == 3 * 44 + 2 * 8
        halfway, end = observer.states[9], observer.states[-1]
        assert halfway.speed.images == 44 + 4 * 8
        assert run(recorder(set()), halfway).speed.images == undisturbed.speed.images
        assert run(recorder(set()), end).speed == end.speed
