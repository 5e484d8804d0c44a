from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.gpu.__main__ import FULL, left_of, recipe_of
from bench.gpu.contest import ROUNDS, contest, medians
from bench.gpu.loops import Ours, Plain, Subject
from bench.gpu.report import Report
from bench.gpu.slices import OutOfTime, Slice
from bench.gpu.store import Store
from bench.gpu.trainings import Plan, Trainings
from core.datasets import Resident
from core.datasets.splits import Splits
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.datasets import DATASETS
from core.jobs.recipes import PRESETS, Recipe
from core.pruning.levels import survivors_at
from core.pruning.magnitude import prune
from core.tickets import Ticket
from core.training.checkpoint import TrainingState
from core.training.loop import Replicate, Trained, train
from core.training.mode import EXACT, Mode

CPU = torch.device("cpu")
MACHINE = {"device": "CPU", "cores": 1, "processor": "one of many", "torch": "2", "python": "3"}
LIMIT = 16 * 2**20
HOUR = 3600.0


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny() -> Plan:
    """200 images in four steps an epoch; ten steps, the rewind point after the third, two levels."""
    facts = dataclasses.replace(DATASETS["cifar10"], input=(3, 8, 8), classes=3, train=200, test=20)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 220)
    images = rng.integers(0, 160, (220, 3, 8, 8), dtype=np.uint8)
    images[np.arange(220), labels] += 90
    dataset = Resident.of(facts, Splits(images[:200], labels[:200], images[200:], labels[200:]))
    recipe = Recipe(
        length="10it", batch=64, lr=0.05, momentum=0.9, weight_decay=1e-3, rewind="3it", augment=True
    )
    return Plan(architecture("cifar_resnet_8_4", (3, 8, 8), 3), dataset, recipe, range(1), 2, exact=True)


def settings(plan: Plan) -> dict[str, Any]:
    return {
        "network": plan.network.name,
        "dataset": plan.dataset.name,
        "pixels": "random pixels",
        "data": "0" * 64,
        "epochs": 3,
        "levels": plan.levels,
        "rewind": 3,
        "exact": plan.exact,
        "seeds": len(plan.seeds),
    }


def one_slice(plan: Plan, out: Path, seconds: float, interval: float = HOUR) -> Report:
    """A slice of the trainings alone, of the given length."""
    spent, store = Slice(seconds), Store(out)
    report = Report(store, settings(plan), MACHINE, spent)
    with suppress(OutOfTime):
        Trainings(plan, store, report, CPU, spent, interval).run()
    report.write(left_of(plan, report))
    return report


def outcome(report: Report) -> dict[str, Any]:
    """All that a training came to, but for the time it took."""
    return {
        name: {key: value for key, value in found.items() if key != "seconds"}
        for name, found in report.trainings.items()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("undisturbed")
    return outcome(one_slice(tiny(), out, HOUR)), out


class _Silent:
    def step(self, step: int, total: int) -> None: ...

    def epoch(self, record: Any) -> None: ...

    def checkpoint_due(self) -> bool:
        return False

    def checkpoint(self, state: TrainingState) -> None: ...


class TestTrainings:
    def test_they_are_those_of_imp_written_out(self, undisturbed: tuple[dict[str, Any], Path]) -> None:
        plan = tiny()
        network = plan.network

        def trained(state: TrainingState, end: int) -> Trained:
            replicate = Replicate(0, state, _Silent())
            return train(network, plan.dataset, plan.recipe, [replicate], mode=EXACT, end_step=end)[0]

        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        theta_0 = initialise(network, 0)
        found, out = undisturbed
        dense = trained(TrainingState.fresh(theta_0, masks), 10)
        assert found["seed-0-dense"]["accuracy"] == dense.last.accuracy
        theta_k = trained(TrainingState.fresh(theta_0, masks), 3).weights
        for level in range(3):
            name = f"seed-0-level-{level:02}"
            expected = trained(TrainingState.fresh(theta_k, masks, 3), 10)
            ticket = Store(out).finished(name, found[name]["ticket"])
            assert ticket is not None
            for tensor, array in expected.weights.items():
                assert np.array_equal(ticket.weight(tensor), array)
            assert found[name]["accuracies"] == [record.accuracy for record in expected.history]
            masks = prune(expected.weights, masks, 0.2)

    def test_each_level_has_a_fifth_fewer_survivors(self, undisturbed: tuple[dict[str, Any], Path]) -> None:
        prunable = tiny().network.prunable_weights
        for level in range(3):
            left = survivors_at(level, prunable, 0.2)
            sparsity = undisturbed[0][f"seed-0-level-{level:02}"]["sparsity"]
            assert math.isclose(sparsity, 1 - left / prunable)

    def test_one_step_per_slice_comes_to_the_same(
        self, undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
    ) -> None:
        plan, slices = tiny(), 0
        while len((report := one_slice(plan, tmp_path, 0.0)).trainings) < len(plan.names):
            slices += 1
            assert slices < 100
        assert slices == 10 + 3 + 3 * 7 - 1
        assert outcome(report) == undisturbed[0]

    def test_a_torn_state_gives_way_to_the_one_before(
        self, undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
    ) -> None:
        for _ in range(6):
            one_slice(tiny(), tmp_path, 0.0)
        before, latest = sorted((tmp_path / "states").iterdir())
        latest.write_bytes(latest.read_bytes()[:-100])
        state = Store(tmp_path).state("seed-0-dense")
        assert state is not None
        assert (state.step, int(before.name.split(".")[1])) == (5, 5)
        assert outcome(one_slice(tiny(), tmp_path, HOUR)) == undisturbed[0]

    def test_a_changed_bit_is_noticed(self, tmp_path: Path) -> None:
        for _ in range(2):
            one_slice(tiny(), tmp_path, 0.0)
        for path in (tmp_path / "states").iterdir():
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(content)
        assert Store(tmp_path).state("seed-0-dense") is None

    @pytest.mark.parametrize("harm", [b"", b"torn"])
    def test_a_finished_training_whose_weights_are_torn_is_trained_anew(
        self, undisturbed: tuple[dict[str, Any], Path], tmp_path: Path, harm: bytes
    ) -> None:
        report = one_slice(tiny(), tmp_path, HOUR)
        (tmp_path / "weights" / "seed-0-level-01.ticket.safetensors").write_bytes(harm)
        report = one_slice(tiny(), tmp_path, HOUR)
        again = json.loads((tmp_path / "report.json").read_text())["slices"][1]["work"]
        assert [work["part"] for work in again] == ["seed-0-level-01"]
        assert outcome(report) == undisturbed[0]

    @pytest.mark.nightly
    def test_a_slice_killed_at_any_moment_comes_to_the_same(
        self, undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
    ) -> None:
        command = [sys.executable, __file__, str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        begun: set[str] = set()
        while len(begun) < 7:
            assert process.poll() is None
            begun |= {path.name for path in (tmp_path / "states").glob("*.safetensors")}
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        report = one_slice(tiny(), tmp_path, HOUR)
        assert outcome(report) == undisturbed[0]
        assert not list(tmp_path.rglob("*.part"))

    def test_another_seed_goes_on_from_the_same_folder(self, tmp_path: Path) -> None:
        one_slice(tiny(), tmp_path, HOUR)
        first = (tmp_path / "report.json").read_text()
        report = one_slice(dataclasses.replace(tiny(), seeds=range(2)), tmp_path, HOUR)
        assert len(report.trainings) == 2 * len(json.loads(first)["trainings"])

    def test_fast_ones_are_in_the_mode_that_was_measured(self, tmp_path: Path) -> None:
        report = one_slice(dataclasses.replace(tiny(), exact=False), tmp_path, HOUR)
        work = json.loads((tmp_path / "report.json").read_text())["slices"][0]["work"]
        assert len(report.trainings) == 5
        assert not any("exact" in part["mode"] for part in work)


SUBJECT = dataclasses.asdict(Subject())


class TestReport:
    def test_it_says_what_was_run_and_what_is_left(self, tmp_path: Path) -> None:
        for _ in range(13):
            one_slice(tiny(), tmp_path, 0.0)
        page = (tmp_path / "report.md").read_text()
        assert "random pixels" in page
        assert "## The dense network, 3 epochs" in page
        assert "Iterative" not in page.replace("iterative", "").split("## Slices")[0]
        assert "Images per second" not in page
        assert (
            "**Not run yet**: speed (5 of 5 rounds), seed-0-level-00, seed-0-level-01, seed-0-level-02."
            in page
        )

    def test_every_level_has_a_row(self, undisturbed: tuple[dict[str, Any], Path]) -> None:
        page = (undisturbed[1] / "report.md").read_text()
        for level, sparsity in enumerate(("0.00%", "20.0", "36.0")):
            assert f"| 0, {level:02} | {sparsity}" in page

    def test_another_length_in_the_same_folder_is_refused(self, tmp_path: Path) -> None:
        one_slice(tiny(), tmp_path, 0.0)
        asked = settings(tiny()) | {"epochs": 160}
        with pytest.raises(ValueError, match="whose epochs is 3, not 160; name another folder"):
            Report(Store(tmp_path), asked, MACHINE, Slice(1))

    def test_ratios_are_to_the_best_reference(self, tmp_path: Path) -> None:
        report = Report(Store(tmp_path), settings(tiny()), MACHINE, Slice(1))
        for ours in (90.0, 30.0, 60.0):
            report.speed["rounds"].append(
                {"ours, a": ours, "reference, 1 loader": 10.0, "reference, 2 loaders": 20.0}
            )
        report.speed.update({"subject": SUBJECT, "left_out": {"ours, b": "no compiler"}})
        report.write()
        page = (tmp_path / "report.md").read_text()
        assert "| ours, a | 60 | 30 … 90 | **3.00** |" in page
        assert "| reference, 1 loader | 10 | 10 … 10 | **0.50** |" in page
        assert "Left out: ours, b: no compiler." in page

    def test_a_comparison_begun_on_another_machine_begins_anew(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        report = Report(store, settings(tiny()), MACHINE, Slice(1))
        report.speed["rounds"].append({"ours": 1.0})
        report.speed["subject"] = SUBJECT
        report.write()
        assert Report(store, settings(tiny()), MACHINE, Slice(1)).speed["rounds"] == [{"ours": 1.0}]
        assert Report(store, settings(tiny()), MACHINE | {"device": "b"}, Slice(1)).speed["rounds"] == []

    def test_a_whole_comparison_is_kept_whatever_the_next_machine(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        report = Report(store, settings(tiny()), MACHINE, Slice(1))
        report.speed["rounds"] += [{"ours": 1.0}] * ROUNDS
        report.speed["subject"] = SUBJECT
        report.write()
        assert (
            len(Report(store, settings(tiny()), MACHINE | {"device": "b"}, Slice(1)).speed["rounds"])
            == ROUNDS
        )


class TestSlice:
    def test_what_does_not_end_by_itself_is_cut(self) -> None:
        program = (
            "import time; from bench.gpu.slices import cut_after; cut_after(0.1, lambda: print('left', flush=True));"
            " time.sleep(HOUR)"
        ).replace("HOUR", str(HOUR))
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        ended = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        assert (ended.returncode, ended.stdout) == (0, "left\n")


class TestRecipe:
    def test_the_full_one_is_the_preset(self) -> None:
        full, preset = recipe_of(FULL), PRESETS["cifar_resnet"]
        assert full.milestones == (f"{80 * 391}it", f"{120 * 391}it")
        assert full.model_copy(update={"milestones": preset.milestones}) == preset

    def test_a_shorter_one_drops_its_rate_after_the_same_shares(self) -> None:
        assert recipe_of(40).milestones == (f"{20 * 391}it", f"{30 * 391}it")


class TestSizes:
    def test_a_state_of_resnet_20_and_what_a_seed_leaves_stay_small(self, tmp_path: Path) -> None:
        network = architecture("cifar_resnet_20", (3, 32, 32), 10)
        store, weights = Store(tmp_path), initialise(network, 0)
        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        trained = [
            spec.name for spec in network.tensors if spec.name in weights and "running" not in spec.name
        ]
        slots = {"momentum_buffer": {name: weights[name] for name in trained if weights[name].ndim}}
        for step in range(4):
            state = dataclasses.replace(TrainingState.fresh(weights, masks, step), slots=slots)
            store.save("seed-0-level-10", state)
        states = [path.stat().st_size for path in (tmp_path / "states").iterdir()]
        assert len(states) == 2
        assert max(states) < LIMIT / 4
        for name in ("dense", "rewind"):
            store.finish(name, Ticket.from_dense(network, 0, masks, weights))
        for level in range(11):
            store.finish(f"level-{level}", Ticket.from_dense(network, 0, masks, weights))
            masks = prune(weights, masks, 0.2)
        assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < LIMIT


class TestContest:
    SUBJECT = Subject("cifar_resnet_8_4", images=300, seconds=0.02, warm_up=4)

    def rounds(self, loops: list[Any], seconds: float) -> dict[str, Any]:
        speed: dict[str, Any] = {"rounds": [], "left_out": {}}
        contest(self.SUBJECT, loops, CPU, speed, Slice(seconds), lambda: None)
        return speed

    @pytest.mark.nightly
    @pytest.mark.timeout(300)  # three processes that import torch, one after the other
    def test_every_loop_is_measured_in_every_round_and_what_fails_is_left_out(self) -> None:
        broken = Ours(Mode(graphed=True))  # there is no GPU to capture anything on
        loops = [Ours(EXACT), broken, Plain(1)]
        if torch.cuda.is_available():
            loops.remove(broken)
        speed = self.rounds(loops, HOUR)
        assert len(speed["rounds"]) == ROUNDS
        assert all(set(found) == {"ours, float32, exact", "reference, 1 loader"} for found in speed["rounds"])
        assert set(medians(speed)) == {"ours, float32, exact", "reference, 1 loader"}
        assert all(rate > 0 for rate in medians(speed).values())
        if not torch.cuda.is_available():
            assert list(speed["left_out"]) == ["ours, float32, graphed"]

    @pytest.mark.nightly
    def test_no_process_outlives_a_slice_that_is_too_short(self) -> None:
        with pytest.raises(OutOfTime):
            self.rounds([Ours(EXACT)], 0.0)
        assert not multiprocessing.active_children()


if __name__ == "__main__":
    torch.set_num_threads(1)
    one_slice(tiny(), Path(sys.argv[1]), HOUR, interval=0.0)
