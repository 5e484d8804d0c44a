from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.accuracy import FINISHED, compared, finished, run
from bench.experiments import EXPERIMENTS, REFERENCE, Experiment, Training
from bench.ours import MODES
from core.jobs.datasets import DATASETS

DIGITS = Experiment("mlp_2", "digits", 1024, 360, "mlp", (("length", "30ep"),))
MODE = next(iter(MODES))


class TestRun:
    @pytest.mark.nightly
    def test_both_loops_learn_and_are_kept(self, tmp_path: Path) -> None:
        trainings = [Training(DIGITS, loop, 0) for loop in (REFERENCE, MODE)]
        found = run(trainings, tmp_path, tmp_path)
        assert set(found) == set(trainings)
        assert all(accuracy > 0.5 for accuracy in found.values())
        assert finished(trainings, tmp_path) == found

    def test_what_is_finished_is_not_trained_again(self, tmp_path: Path) -> None:
        training = Training(DIGITS, REFERENCE, 0)
        (tmp_path / FINISHED).write_text(json.dumps({"training": training.key, "accuracy": 2.0}) + "\n")
        assert run([training], tmp_path, tmp_path) == {training: 2.0}

    def test_a_torn_line_is_trained_again_and_ends_there(self, tmp_path: Path) -> None:
        training = Training(DIGITS, MODE, 0)
        (tmp_path / FINISHED).write_text('{"training": "')
        found = run([training], tmp_path, tmp_path)
        assert finished([training], tmp_path) == found

    def test_another_length_is_another_training(self, tmp_path: Path) -> None:
        training = Training(DIGITS, REFERENCE, 0)
        longer = Training(replace(DIGITS, changes=(("length", "31ep"),)), REFERENCE, 0)
        (tmp_path / FINISHED).write_text(json.dumps({"training": training.key, "accuracy": 2.0}) + "\n")
        assert finished([longer], tmp_path) == {}


class TestCompared:
    def test_means_errors_and_their_difference(self) -> None:
        loops = compared(DIGITS, {REFERENCE: [0.5, 0.6, 0.7], "fp32": [0.6, 0.6, 0.6]})["loops"]
        assert loops[REFERENCE]["mean"] == pytest.approx(0.6)
        assert loops[REFERENCE]["standard_error"] == pytest.approx(0.1 / 3**0.5)
        assert loops["fp32"]["difference"] == pytest.approx(0)
        assert loops["fp32"]["standard_error_of_difference"] == pytest.approx(0.1 / 3**0.5)

    @pytest.mark.parametrize(("shift", "equal"), [(0.11, True), (0.12, False), (-0.12, False)])
    def test_equal_is_within_twice_the_error_either_way(self, shift: float, equal: bool) -> None:
        values = {REFERENCE: [0.5, 0.6, 0.7], "fp32": [0.6 + shift] * 3}
        assert compared(DIGITS, values)["loops"]["fp32"]["equal"] is equal


class TestExperiments:
    @pytest.mark.parametrize("experiment", EXPERIMENTS)
    def test_they_fit_their_datasets(self, experiment: Experiment) -> None:
        facts = DATASETS[experiment.dataset]
        assert 0 < experiment.train <= facts.train
        assert 0 < experiment.test <= facts.test
        assert experiment.recipe.length.endswith("ep")
