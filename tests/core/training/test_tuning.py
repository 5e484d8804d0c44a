from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from core.datasets import Dataset
from core.families import architecture
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.jobs.recipes import Recipe, recipe_for
from core.pruning.evolution import Evolution
from core.training import tuning
from core.training.checkpoint import TrainingState
from core.training.loop import Replicate
from core.training.mode import Mode
from core.training.tuning import Tuner, Work

CPU = torch.device("cpu")


@pytest.fixture
def work(resnet: Architecture, photographs: Dataset, recipe: Recipe, recorder: Any) -> Work:
    state = TrainingState.fresh(initialise(resnet, 0), {})
    return Work(resnet, photographs, recipe, [Replicate(0, state, recorder())], steps=10_000)


def kept(folder: Path) -> list[dict[str, float]]:
    return [json.loads(path.read_text()) for path in folder.iterdir()]


class TestMode:
    def test_the_fastest_that_was_measured_is_chosen_and_remembered(self, work: Work, tmp_path: Path) -> None:
        chosen = Tuner(tmp_path / "tuning", CPU).mode(work)
        (seconds,) = kept(tmp_path / "tuning")
        assert min(seconds, key=lambda mode: seconds[mode]) == str(chosen)
        assert "float32" in seconds
        assert all(0 < value < 1 for value in seconds.values())

    def test_what_is_remembered_is_not_measured_again(
        self, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tuner = Tuner(tmp_path, CPU)
        tuner.mode(work)
        (path,) = tmp_path.iterdir()
        for fastest in json.loads(path.read_text()):
            seconds = {mode: 1.0 + (mode != fastest) for mode in json.loads(path.read_text())}
            path.write_text(json.dumps(seconds))
            monkeypatch.setattr(tuning, "compiles", lambda _: False)
            assert str(Tuner(tmp_path, CPU).mode(work)) == fastest
            assert json.loads(path.read_text()) == seconds

    def test_a_short_training_is_not_worth_measuring(self, work: Work, tmp_path: Path) -> None:
        short = dataclasses.replace(work, steps=999)
        assert isinstance(Tuner(tmp_path, CPU).mode(short), Mode)
        assert not list(tmp_path.iterdir())

    def test_compilation_is_tried_where_it_may_pay(
        self, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tuning, "WORTH_COMPILING", 1.0)
        Tuner(tmp_path, CPU).mode(work)
        (seconds,) = kept(tmp_path)
        assert sum("compiled" in mode for mode in seconds) == 1

    def test_a_mode_that_fails_is_left_out(
        self, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        # Graphs need a GPU: here is none.
        monkeypatch.setattr(tuning, "fast_modes", lambda _: [Mode(graphed=True), Mode()])
        assert Tuner(tmp_path, CPU).mode(work) == Mode()
        assert "float32, graphed is left out" in caplog.text

    @pytest.mark.parametrize("damage", ["", "[]", '{"float32": "fast"}', "{"])
    def test_a_damaged_memory_is_measured_anew(self, work: Work, tmp_path: Path, damage: str) -> None:
        tuner = Tuner(tmp_path, CPU)
        tuner.mode(work)
        (path,) = tmp_path.iterdir()
        path.write_text(damage)
        tuner.mode(work)
        assert "float32" in json.loads(path.read_text())

    def test_the_trainings_themselves_are_left_as_they_were(self, work: Work, tmp_path: Path) -> None:
        before = {name: array.copy() for name, array in work.replicates[0].state.weights.items()}
        Tuner(tmp_path, CPU).mode(work)
        assert all((before[name] == array).all() for name, array in work.replicates[0].state.weights.items())
        observer: Any = work.replicates[0].observer
        assert not observer.steps

    def test_a_memory_belongs_to_one_architecture_and_batch(
        self, work: Work, digits: Dataset, tmp_path: Path
    ) -> None:
        tuner = Tuner(tmp_path, CPU)
        tuner.mode(work)
        tuner.mode(dataclasses.replace(work, recipe=work.recipe.model_copy(update={"batch": 16})))
        mlp = architecture("mlp_1", digits.facts.input, 10)
        state = TrainingState.fresh(initialise(mlp, 0), {})
        replicates = [dataclasses.replace(work.replicates[0], state=state) for _ in range(2)]
        perceptrons = Work(mlp, digits, recipe_for("mlp", {}), replicates, steps=5000)
        tuner.mode(perceptrons)
        tuner.mode(dataclasses.replace(perceptrons, replicates=replicates[:1]))
        assert len(list(tmp_path.iterdir())) == 4

    def test_masks_that_change_are_measured_by_themselves_and_without_graphs(
        self, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(tuning, "fast_modes", lambda _: [Mode(graphed=True), Mode()])
        tuner = Tuner(tmp_path, CPU)
        tuner.mode(work)
        evolving = dataclasses.replace(work.replicates[0], evolution=Evolution("rigl", 0.3, 1, 0, 100, 0))
        caplog.clear()
        assert tuner.mode(dataclasses.replace(work, replicates=[evolving])) == Mode()
        assert "graphed" not in caplog.text
        assert len(list(tmp_path.iterdir())) == 2
