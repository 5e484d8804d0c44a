"""Valkey and the database away, in every way there is, while jobs are queued and running: each still ends, once."""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from core.catalog.tables import Attempt, Run
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import TrainSpec
from core.jobs.states import State
from core.settings import Settings
from tests import locking
from tests.proxy import Proxy
from tests.workers.conftest import Fleet, alive, wait_until


def training(epochs: int) -> TrainSpec:
    recipe = RecipeChoice(length=f"{epochs}ep")
    return TrainSpec(architecture="mlp_1", dataset="digits", recipe=recipe, fresh=True).complete("mlp")


class Behind(Fleet):
    """A fleet that reaches Valkey through a proxy, and PostgreSQL through another."""

    def __init__(self, settings: Settings, directory: Path, lease: float) -> None:
        # A slot for a training that goes on all the while, one for jobs that come and go.
        super().__init__(settings, directory, {"lease_seconds": lease, "slots": 2})
        self.valkey = Proxy(directory / "valkey.sock")
        self.environment["ELASTICKET_BROKER_URL"] = f"redis://127.0.0.1:{self.valkey.port}/0"
        self.restart_postgres: Callable[[], None] | None = None
        self.postgres: Proxy | None = None
        url = make_url(settings.database)
        self.dialect = url.get_backend_name()
        if self.dialect == "postgresql":
            self.postgres = Proxy(Path(str(url.query["host"])) / ".s.PGSQL.5432")
            through = url.set(host="127.0.0.1", port=self.postgres.port, query={})
            self.environment["ELASTICKET_DATABASE_URL"] = through.render_as_string(hide_password=False)

    def stop(self) -> None:
        super().stop()
        for proxy in (self.valkey, self.postgres):
            if proxy is not None:
                proxy.close()

    def broker(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._socket))

    def cpu(self) -> float:
        """Seconds of processor time that the dispatcher and the worker have taken, without pool processes."""
        return sum(
            sum(psutil.Process(self.processes[n].pid).cpu_times()[:2]) for n in ("dispatcher", "worker")
        )

    def endless(self) -> tuple[str, int]:
        """Start a job that trains until it is cancelled; its id and its trainer's process id."""
        job_id = self.submit(training(100_000))
        wait_until(lambda: (self.job(job_id).progress or {}).get("done"), 200, "a training")
        return job_id, self.pid("trainer")

    def goes_on(self, job_id: str, trainer: int) -> None:
        """Look that a job's first trainer still trains."""
        job = self.job(job_id)
        assert (job.state, job.attempt) == (State.RUNNING, 1), self.log()[-3000:]
        done = (job.progress or {})["done"]
        wait_until(lambda: (self.job(job_id).progress or {})["done"] > done, 30, "progress")
        assert trainer in self.descendants()["trainer"]

    def cancel(self, job_id: str) -> None:
        super().cancel(job_id)
        assert self.result(job_id).state == State.CANCELLED

    def ended_once(self, job_id: str, attempts: int | None = 1) -> None:
        """Wait for a job's end, and look that it came to one result."""
        job = self.result(job_id, 150)
        assert job.state == State.SUCCEEDED, (job.error, self.log()[-3000:])
        with self.database.read() as session:
            assert session.query(Run).filter_by(job_id=job_id).count() == 1
            tries = session.query(Attempt).filter_by(job_id=job_id).order_by(Attempt.attempt).all()
            assert [one.outcome for one in tries].count("succeeded") == 1
            assert tries[-1].outcome == "succeeded"
        if attempts is not None:
            assert job.attempt == attempts, [one.outcome for one in tries]


@pytest.fixture
def lease() -> float:
    return 30.0


@pytest.fixture
def behind(settings: Settings, lease: float, request: pytest.FixtureRequest) -> Iterator[Behind]:
    with tempfile.TemporaryDirectory(prefix="elasticket-") as directory:
        running = Behind(settings, Path(directory), lease)
        if running.postgres is not None:
            running.restart_postgres = request.getfixturevalue("restart_postgres")
        for name in ("valkey", "worker", "dispatcher"):
            running.start(name)
        yield running
        running.stop()


def flushed(fleet: Behind) -> None:
    fleet.broker().flushall()


def killed(fleet: Behind) -> None:
    fleet.kill("valkey")
    time.sleep(2)
    fleet.start("valkey")


def stopped(fleet: Behind) -> None:
    fleet.processes["valkey"].send_signal(signal.SIGSTOP)
    time.sleep(13)
    fleet.processes["valkey"].send_signal(signal.SIGCONT)


def cut(fleet: Behind) -> None:
    fleet.valkey.cut()
    time.sleep(5)
    fleet.valkey.heal()


def reset(fleet: Behind) -> None:
    for _ in range(5):
        fleet.valkey.reset_once()
        time.sleep(0.3)


def black_hole(fleet: Behind) -> None:
    fleet.valkey.hole()
    time.sleep(13)
    fleet.valkey.heal()


def forgotten(fleet: Behind) -> None:
    """What fell into the hole never comes out of it: the connections are dropped at its end."""
    fleet.valkey.hole()
    time.sleep(13)
    fleet.valkey.reset_once()
    fleet.valkey.heal()


def slow(fleet: Behind) -> None:
    fleet.valkey.slow(1.0)
    time.sleep(8)
    fleet.valkey.heal()


QUICK = (flushed, cut)
TROUBLES = (flushed, killed, stopped, cut, reset, black_hole, forgotten, slow)


class TestValkey:
    @pytest.mark.timeout(600)
    @pytest.mark.parametrize(
        ("database_url", "troubles"),
        [
            ("sqlite", QUICK),
            pytest.param("sqlite", TROUBLES, marks=pytest.mark.nightly),
            pytest.param("postgresql", TROUBLES, marks=pytest.mark.nightly),
        ],
        indirect=["database_url"],
        ids=["sqlite-quick", "sqlite", "postgresql"],
    )
    def test_every_job_ends_once_and_at_its_first_attempt(
        self, behind: Behind, troubles: tuple[Callable[[Behind], None], ...]
    ) -> None:
        running, trainer = behind.endless()
        for trouble in troubles:
            begun, cpu, said = time.monotonic(), behind.cpu(), len(behind.log())
            accepted = [behind.submit(training(2)) for _ in range(3)]
            trouble(behind)
            over, share = time.monotonic(), (behind.cpu() - cpu) / (time.monotonic() - begun)
            accepted.append(behind.submit(training(2)))
            for job in accepted:
                behind.ended_once(job)
            behind.goes_on(running, trainer)
            log = behind.log()[said:]
            warnings = log.count("will be tried again")
            print(
                f"Valkey {trouble.__name__}: all done {time.monotonic() - over:.1f} s after it, {share:.0%} of a core,"
                f" {warnings} warnings, {log.count('Traceback')} tracebacks, {log.count(chr(10))} lines"
            )
            assert share < 0.5 or over - begun < 3, trouble.__name__
            assert warnings <= 6, log
            assert log.count("\n") < 200, log[:5000]
        behind.cancel(running)


def locked(fleet: Behind, seconds: float) -> None:
    """Another program writes to the SQLite file, and does not come to an end."""
    with locking.locked(make_url(fleet.settings.database).database or ""):
        time.sleep(seconds)


def terminated(fleet: Behind, seconds: float) -> None:
    """An administrator ends every connection, time and again."""
    url = make_url(fleet.settings.database)
    engine = create_engine(url.set(drivername="postgresql+psycopg", database="postgres"))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with engine.connect() as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            connection.execute(text(query), {"name": url.database})
        time.sleep(0.5)
    engine.dispose()
    fleet.database.engine.dispose()


def unreachable(fleet: Behind, seconds: float) -> None:
    assert fleet.postgres is not None
    fleet.postgres.cut()
    time.sleep(seconds)
    fleet.postgres.heal()


def silent(fleet: Behind, seconds: float) -> None:
    assert fleet.postgres is not None
    fleet.postgres.hole()
    time.sleep(seconds)
    fleet.postgres.reset_once()
    fleet.postgres.heal()


def restarted(fleet: Behind, seconds: float) -> None:
    assert fleet.restart_postgres is not None
    fleet.restart_postgres()
    fleet.database.engine.dispose()


OUTAGES: dict[str, tuple[Callable[[Behind, float], None], ...]] = {
    "sqlite": (locked,),
    "postgresql": (terminated, unreachable, silent, restarted),
}


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", OUTAGES, indirect=True)
class TestDatabase:
    def test_one_shorter_than_the_lease_costs_no_attempt(self, behind: Behind) -> None:
        running, trainer = behind.endless()
        for outage in OUTAGES[behind.dialect]:
            accepted, said = [behind.submit(training(2))], len(behind.log())
            outage(behind, 10)
            accepted.append(behind.submit(training(2)))
            over = time.monotonic()
            behind.goes_on(running, trainer)
            for job in accepted:
                # One that was just claimed, or about to end, may have lost its connection in between.
                behind.ended_once(job, None if outage in (terminated, restarted) else 1)
            log = behind.log()[said:]
            print(
                f"{behind.dialect} {outage.__name__} for 10 s: all done {time.monotonic() - over:.1f} s after it,"
                f" {log.count('will be tried again')} warnings, {log.count('Traceback')} tracebacks"
            )
            assert log.count("will be tried again") <= 30, log[:5000]
        behind.cancel(running)

    @pytest.mark.parametrize("lease", [3.0])
    def test_one_longer_than_the_lease_ends_the_attempt_and_the_next_goes_on(self, behind: Behind) -> None:
        for outage in OUTAGES[behind.dialect]:
            if outage in (terminated, restarted):
                continue
            running, trainer = behind.endless()
            outage(behind, 30 if outage is silent else 14)
            assert not alive(trainer)
            wait_until(lambda: behind.job(running).attempt >= 2, 60, "the next attempt")  # noqa: B023
            wait_until(lambda: behind.descendants()["trainer"], 60, "the next trainer")
            behind.cancel(running)
            behind.ended_once(behind.submit(training(2)), None)
            print(
                f"{behind.dialect} {outage.__name__} past the lease: the trainer was killed, the job went on"
            )
