"""SIGKILL at random moments: however often its trainers die, an exact job ends in the bits of one left alone.

More of them: KILLS=200 in the environment, or KILLS=5000 for a soak.
"""

import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import numpy as np
import pytest

from core.catalog import attempts, claims, jobs
from core.catalog.artifacts import LocalStore
from core.catalog.attempts import Saved
from core.catalog.database import Database
from core.catalog.tables import Job
from core.jobs.methods import DynamicParameters, ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec, JobSpec, TrainSpec
from core.settings import Settings
from workers.inputs import request_for
from workers.watch import Watch
from workers.zygote import Zygote

KILLS = int(os.environ.get("KILLS", "40"))
pytestmark = pytest.mark.timeout(120 + KILLS)

# Seconds between saved states: a trainer that saves after every step is mostly killed while it writes one.
INTERVALS = (0.0, 0.02, 0.05, 0.1)


def train(architecture: str, recipe: RecipeChoice, dataset: str = "digits", seed: int = 0) -> TrainSpec:
    spec = TrainSpec(architecture=architecture, dataset=dataset, seeds=[seed], recipe=recipe, exact=True)
    return spec.complete(None)


def find(architecture: str, level: int, recipe: RecipeChoice) -> FindSpec:
    spec = FindSpec(
        architecture=architecture,
        dataset="digits",
        parameters=ImpParameters(level=level),
        recipe=recipe,
        exact=True,
    )
    return spec.complete(None)


MOMENTUM = RecipeChoice(preset="mlp", momentum=0.9, lr=0.05, weight_decay=1e-3, length="8ep", rewind="7it")
ADAM = RecipeChoice(
    preset="mlp",
    optimizer="adam",
    lr=0.001,
    length="12ep",
    warmup="1ep",
    schedule="cosine",
    label_smoothing=0.1,
    weight_decay=1e-3,
)
NESTEROV = RecipeChoice(
    preset="mlp",
    momentum=0.9,
    nesterov=True,
    decay="weights",
    weight_decay=1e-3,
    lr=0.02,
    length="150it",
    milestones=("5ep", "100it"),
    warmup="9it",
)
RESNET = RecipeChoice(preset="cifar_resnet", lr=0.05, weight_decay=1e-3, length="4ep", rewind="9it")
AUGMENTED = RecipeChoice(preset="cifar_resnet", batch=8, lr=0.05, length="120it", augment=True)
# An epoch a step: the first epoch that an attempt reports tells where it resumed.
EPOCHS = train("mlp_1", RecipeChoice(preset="mlp", momentum=0.9, lr=0.05, batch=2048, length="40ep"))
LEVELS = find("mlp_1", 3, RecipeChoice(preset="mlp", batch=2048, length="6ep", rewind="2ep"))

# An update every third step, up to the 90th of 120.
EVOLVING = {
    method: TrainSpec(
        architecture="mlp_1",
        dataset="digits",
        recipe=MOMENTUM.model_copy(update={"length": "10ep"}),
        exact=True,
        sparsity_schedule=DynamicParameters(method=method, sparsity=0.9, every=3),
    ).complete(None)
    for method in ("rigl", "set")
}

EVERY_RUN = {
    "masks that change, by gradients",
    "imp over three levels",
    "imp of a network with batch normalisation",
}
# How many of every 200 kills each job gets.
SCENARIOS: dict[str, tuple[int, JobSpec]] = {
    "masks that change, by gradients": (10, EVOLVING["rigl"]),
    "masks that change, at random": (10, EVOLVING["set"]),
    "adam, label smoothing, cosine": (40, train("mlp_1", ADAM)),
    "nesterov, milestones, warmup": (35, train("mlp_2", NESTEROV, seed=1)),
    "imp over three levels": (60, find("mlp_2", 3, MOMENTUM)),
    "imp of a network with batch normalisation": (35, find("cifar_resnet_8_4", 2, RESNET)),
    "crops and flips": (10, train("cifar_resnet_8_1", AUGMENTED, dataset="cifar10")),
}


def lasting(outcome: dict[str, Any] | None) -> Any:
    """What an outcome must be however it came about: all digests, histories and measurements; no times."""
    assert outcome is not None
    runs = [(run["weights_digest"], run["history"], run["steps"]) for run in outcome["runs"]]
    return runs, outcome["results"], outcome["tickets"]


class Work:
    """One job in a catalog of its own, attended as a supervisor does, but for the kills."""

    def __init__(self, settings: Settings, zygote: Zygote, spec: JobSpec) -> None:
        self.settings = settings
        self.kills = 0
        self._zygote = zygote
        self._database = Database(settings.database)
        with self._database.write() as session:
            self.id = jobs.create(session, spec, max_attempts=1000).id
        self.scratch = LocalStore(settings.scratch_directory / self.id)
        self.artifacts = LocalStore(settings.artifact_directory)

    def attempt(self, kill_after: float | None = None, interval: float = 3600) -> dict[str, Any] | None:
        """One trainer's life, killed some seconds after its start; the outcome, None where it did not get that far.

        An outcome is not written down, as if the supervisor had died: the job can always be attempted again.
        """
        with self._database.write() as session:
            job = claims.claim(session, self.id, "test", 60)
        assert job is not None
        with self._database.read() as session:
            request = request_for(session, job, self.artifacts, self.settings)
        trainer = self._zygote.start(replace(request, checkpoint_seconds=interval))
        killer = threading.Timer(kill_after or 0, trainer.signal, [SIGKILL])
        if kill_after is not None:
            killer.start()
        ending = Watch(self.settings, self._database, job, trainer, lambda: False).until_it_ends()
        killer.cancel()
        trainer.close()
        how = self._zygote.collect()
        killed = "SIGKILL" in how
        self.kills += killed
        assert ending.failure is None, ending.failure
        assert killed or ending.outcome is not None, how
        with self._database.write() as session:
            attempts.lose(session, self.id, job.attempt, how)
        return ending.outcome

    def states(self) -> list[Saved]:
        """The training states that the next attempt is given, the first of each training being the one to use."""
        with self._database.read() as session:
            return attempts.checkpoints(session, self.id)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What the latest attempt reported."""
        with self._database.read() as session:
            attempt = session.get_one(Job, self.id).attempt
            events = jobs.events_after(session, self.id, 0, 100_000, kind)
            return [event.data for event in events if event.attempt == attempt]

    def halves(self) -> list[Path]:
        """Files in whose middle a trainer was killed."""
        return list(self.artifacts.root.rglob(".staged-*"))

    def verify(self, outcome: dict[str, Any]) -> None:
        """Every file that an outcome names is in the store, whole."""
        for run in outcome["runs"]:
            self.artifacts.verified(run["weights_digest"])
        for ticket in outcome["tickets"]:
            for digest in (ticket["digest"], *ticket["weights"].values()):
                self.artifacts.verified(digest)

    def close(self) -> None:
        self._database.close()


MakeWork = Callable[[JobSpec], Work]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    started = Zygote(Settings(threads=1))
    started.wait()
    yield started
    started.close()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A datasets directory with noise in the place of CIFAR-10: six times the same 10,000 images."""
    root = tmp_path_factory.mktemp("datasets")
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    records = np.random.default_rng(0).integers(0, 256, (10_000, 1 + 3072), dtype=np.uint8)
    records[:, 0] %= 10
    records.tofile(folder / "test_batch.bin")
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").symlink_to("test_batch.bin")
    return root


@pytest.fixture(scope="module")
def work(
    zygote: Zygote, sqlite_template: Path, photographs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeWork]:
    """Makes works that share nothing but the process their trainers are forked from."""
    made: list[Work] = []

    def make(spec: JobSpec) -> Work:
        home = tmp_path_factory.mktemp("home")
        shutil.copyfile(sqlite_template, home / "elasticket.db")
        settings = Settings(home=home, datasets=photographs, threads=1, heartbeat_seconds=0.05)
        made.append(Work(settings, zygote, spec))
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestKills:
    @pytest.mark.parametrize(
        "scenario",
        [pytest.param(name, marks=() if name in EVERY_RUN else pytest.mark.nightly) for name in SCENARIOS],
    )
    def test_every_digest_is_the_undisturbed_ones(self, work: MakeWork, scenario: str) -> None:
        share, spec = SCENARIOS[scenario]
        quota = -(-KILLS * share // 200)
        begun = time.monotonic()
        undisturbed = lasting(work(spec).attempt())
        seconds = time.monotonic() - begun
        chance = random.Random(scenario)
        kills = tries = halves = 0
        places = set()
        while kills < quota:
            disturbed = work(spec)
            outcome = None
            while outcome is None:
                moment = chance.uniform(0, 0.7 * seconds) if kills + disturbed.kills < quota else None
                outcome = disturbed.attempt(moment, chance.choice(INTERVALS))
                tries += 1
                places.update((state.training, state.step) for state in disturbed.states())
            assert lasting(outcome) == undisturbed
            disturbed.verify(outcome)
            kills += disturbed.kills
            halves += len(disturbed.halves())
        print(f"{kills} kills in {tries} attempts, {halves} in the middle of a file, {len(places)} places")
        # Else they all came before the first step, or after the last.
        assert len(places) > min(quota, 80) / 4


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damage(work: Work, saved: Saved, tear: Callable[[Path], None] = cut) -> None:
    path = work.scratch.path(saved.digest)
    path.chmod(0o644)
    tear(path)


def rejections(work: Work) -> list[str]:
    return [event["text"] for event in work.events("log") if "is of no use" in event["text"]]


@pytest.fixture(scope="module")
def undisturbed(work: MakeWork) -> Any:
    """What comes of the job of `TestTornStates` when nothing happens to it."""
    return lasting(work(EPOCHS).attempt())


def interrupted(work: MakeWork, enough: Callable[[Work], object]) -> Work:
    """The same job, whose trainer was killed in the middle, at a moment of which enough is true."""
    seconds = 0.2
    while True:
        one = work(EPOCHS)
        ended = one.attempt(seconds, interval=0.0) is not None
        if not ended and enough(one):
            return one
        seconds *= 0.5 if ended else 1.2


@pytest.fixture
def killed(work: MakeWork) -> Work:
    return interrupted(work, lambda one: len(one.states()) == 2)


class TestTornStates:
    @pytest.mark.parametrize("tear", [cut, empty, flip, Path.unlink])
    def test_the_one_before_is_used(
        self, killed: Work, undisturbed: Any, tear: Callable[[Path], None]
    ) -> None:
        newest, before = killed.states()
        damage(killed, newest, tear)
        assert lasting(killed.attempt()) == undisturbed
        (rejected,) = rejections(killed)
        assert newest.digest in rejected
        assert killed.events("epoch")[0]["step"] == before.step + 1

    def test_without_one_before_the_training_starts_over(self, killed: Work, undisturbed: Any) -> None:
        for saved in killed.states():
            damage(killed, saved)
        assert lasting(killed.attempt()) == undisturbed
        assert len(rejections(killed)) == 2
        assert killed.events("epoch")[0]["step"] == 1

    def test_what_is_saved_after_starting_over_is_what_the_next_attempt_uses(
        self, killed: Work, undisturbed: Any
    ) -> None:
        torn = killed.states()
        for saved in torn:
            damage(killed, saved)
        seconds = 0.1
        assert killed.attempt(seconds, interval=0.0) is None
        while len(killed.events("epoch")) < 2:
            seconds *= 1.3
            assert killed.attempt(seconds, interval=0.0) is None
        newest = killed.states()[0]
        assert newest not in torn
        assert lasting(killed.attempt()) == undisturbed
        assert not rejections(killed)
        assert killed.events("epoch")[0]["step"] == newest.step + 1

    def test_half_a_state_is_none(self, work: MakeWork, undisturbed: Any) -> None:
        one = interrupted(work, lambda one: one.halves() and one.states())
        newest = one.states()[0]
        assert lasting(one.attempt()) == undisturbed
        assert not rejections(one)
        assert one.events("epoch")[0]["step"] == newest.step + 1

    def test_a_finished_training_whose_end_is_torn_is_had_again_and_none_before_it(
        self, work: MakeWork
    ) -> None:
        levels = work(LEVELS)
        expected = lasting(levels.attempt())
        (end,) = (saved for saved in levels.states() if saved.training == "seed 0, level 1")
        damage(levels, end)
        assert lasting(levels.attempt()) == expected
        assert len(rejections(levels)) == 1
        # The end of the job's last training is nowhere saved: its result is.
        assert {event["training"] for event in levels.events("epoch")} == {end.training, "seed 0, level 2"}
