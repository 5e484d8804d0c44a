import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.catalog.artifacts import LocalStore
from core.catalog.trainings import SharedTrainings

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def trainings(store: LocalStore) -> SharedTrainings:
    return SharedTrainings(store, "default")


@pytest.fixture
def put(store: LocalStore) -> Callable[[bytes], str]:
    def write(data: bytes) -> str:
        with store.stage() as staged:
            staged.write(data)
            return staged.commit()

    return write


def spoil(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


class TestPublish:
    def test_what_was_published_is_found(
        self, trainings: SharedTrainings, put: Callable[[bytes], str]
    ) -> None:
        assert trainings.find(KEY) is None
        about = {"steps": 12, "seconds": 0.1, "history": [{"loss": 1 / 3}]}
        trainings.publish(KEY, put(b"weights"), about)
        found = trainings.find(KEY)
        assert found is not None
        assert (found.weights.read_bytes(), found.about) == (b"weights", about)
        assert trainings.find("cd" * 32) is None

    def test_the_first_stays(self, trainings: SharedTrainings, put: Callable[[bytes], str]) -> None:
        for data in (b"first", b"second"):
            trainings.publish(KEY, put(data), {})
        found = trainings.find(KEY)
        assert found is not None
        assert found.weights.read_bytes() == b"first"


class TestDamage:
    """What a crash or a disk may leave behind is not there, and the next one to be published takes its place."""

    @pytest.fixture
    def damage(self, store: LocalStore, put: Callable[[bytes], str]) -> dict[str, Callable[[], None]]:
        weights = store.path(put(b"weights"))
        pointer = store.root / "trainings" / KEY

        def record() -> Path:
            return store.path(pointer.read_text())

        return {
            "the pointer is torn": lambda: spoil(pointer, pointer.read_bytes()[:20]),
            "the pointer is empty": lambda: spoil(pointer, b""),
            "the pointer is noise": lambda: spoil(pointer, b"\xff" * 64),
            "the record is missing": lambda: record().unlink(),
            "the record is torn": lambda: spoil(record(), record().read_bytes()[:-1]),
            "the weights are missing": weights.unlink,
            "the weights are damaged": lambda: spoil(weights, b"Weights"),
        }

    @pytest.mark.parametrize(
        "what",
        [
            *("the pointer is torn", "the pointer is empty", "the pointer is noise"),
            *("the record is missing", "the record is torn"),
            *("the weights are missing", "the weights are damaged"),
        ],
    )
    @pytest.mark.parametrize("again", [b"weights", b"others"])
    def test_it_is_not_there_until_it_is_published_again(
        self,
        trainings: SharedTrainings,
        put: Callable[[bytes], str],
        damage: dict[str, Callable[[], None]],
        what: str,
        again: bytes,
    ) -> None:
        trainings.publish(KEY, put(b"weights"), {"steps": 1})
        damage[what]()
        assert trainings.find(KEY) is None
        with trainings.turn(KEY, wait=True) as found:
            assert found is None
            trainings.publish(KEY, put(again), {"steps": 1})
        now = trainings.find(KEY)
        assert now is not None
        assert now.weights.read_bytes() == again


# Waits for its turn, says so when it has it, and publishes when it is told to.
TRAINER = """
import sys
import time
from pathlib import Path
from core.catalog.artifacts import LocalStore
from core.catalog.trainings import SharedTrainings
root, key, wait = sys.argv[1:]
store = LocalStore(Path(root))
trainings = SharedTrainings(store, "default")
with trainings.turn(key, wait=bool(int(wait))) as found:
    print("found" if found else "mine", flush=True)
    if not found and sys.stdin.readline():
        with store.stage() as staged:
            staged.write(b"weights")
            trainings.publish(key, staged.commit(), {})
"""


class Trainer:
    def __init__(self, root: Path, wait: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRAINER, str(root), KEY, str(int(wait))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def finish(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        assert self.process.wait(30) == 0

    def waits(self) -> bool:
        """Whether the kernel holds it at a lock."""
        return f" {self.process.pid} " in "".join(
            line for line in Path("/proc/locks").read_text().splitlines(True) if "->" in line
        )

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Trainer]:
    def run(**options: bool) -> Trainer:
        trainer = Trainer(tmp_path, **options)
        request.addfinalizer(trainer.end)
        return trainer

    return run


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestTurn:
    def test_of_many_at_once_one_trains_and_the_others_find_it(
        self, start: Callable[..., Trainer], tmp_path: Path
    ) -> None:
        first = start()
        assert first.says() == "mine"
        others = [start() for _ in range(5)]
        until(lambda: all(other.waits() for other in others))
        first.finish()
        assert [other.says() for other in others] == ["found"] * 5
        assert [other.process.wait(30) for other in others] == [0] * 5
        assert [path.name for path in (tmp_path / "trainings").iterdir()] == [KEY]

    def test_one_that_is_killed_gives_its_turn_to_one_that_waits(self, start: Callable[..., Trainer]) -> None:
        first = start()
        assert first.says() == "mine"
        second, third = start(), start()
        until(lambda: second.waits() and third.waits())
        os.kill(first.process.pid, signal.SIGKILL)
        until(lambda: not (second.waits() and third.waits()))
        heir, other = (third, second) if second.waits() else (second, third)
        assert heir.says() == "mine"
        heir.finish()
        assert other.says() == "found"

    def test_one_that_does_not_wait_goes_ahead(
        self, start: Callable[..., Trainer], trainings: SharedTrainings
    ) -> None:
        first = start()
        assert first.says() == "mine"
        second = start(wait=False)
        assert second.says() == "mine"
        second.finish()
        assert trainings.find(KEY) is not None
        first.finish()

    def test_one_that_waits_ends_at_sigterm(self, start: Callable[..., Trainer]) -> None:
        first = start()
        assert first.says() == "mine"
        second = start()
        until(second.waits)
        second.process.terminate()
        assert second.process.wait(5) == -signal.SIGTERM

    def test_a_training_that_fails_leaves_the_turn_to_the_next(self, trainings: SharedTrainings) -> None:
        with pytest.raises(ArithmeticError), trainings.turn(KEY, wait=True):
            raise ArithmeticError("diverged")
        with trainings.turn(KEY, wait=True) as found:
            assert found is None
