"""Valkey and the database away, in every way there is, while jobs are queued and running: each still ends, once."""

import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
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
from tests.proxy import Proxy
from tests.workers.conftest import Fleet

BOTH = ["sqlite", "postgresql"]


def training(epochs: int) -> TrainSpec:
    recipe = RecipeChoice(length=f"{epochs}ep")
    return TrainSpec(architecture="mlp_1", dataset="digits", recipe=recipe, fresh=True).complete("mlp")


class Behind(Fleet):
    """A fleet that reaches Valkey through a proxy, and PostgreSQL through another."""

    def __init__(self, settings: Settings, directory: Path, lease: float) -> None:
        super().__init__(settings, directory)
        self.valkey = Proxy(directory / "valkey.sock")
        self.environment["ELASTICKET_BROKER_URL"] = f"redis://127.0.0.1:{self.valkey.port}/0"
        self.environment["ELASTICKET_LEASE_SECONDS"] = str(lease)
        self.postgres: Proxy | None = None
        url = make_url(settings.database)
        if url.get_backend_name() == "postgresql":
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
def behind(settings: Settings, lease: float) -> Iterator[Behind]:
    with tempfile.TemporaryDirectory(prefix="elasticket-") as directory:
        running = Behind(settings, Path(directory), lease)
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


TROUBLES = (flushed, killed, stopped, cut, reset, black_hole, forgotten, slow)
PARAMETERS = [
    pytest.param(url, trouble, marks=[] if (url, trouble) == ("sqlite", cut) else pytest.mark.nightly)
    for url in BOTH
    for trouble in TROUBLES
]


class TestValkey:
    @pytest.mark.timeout(300)
    @pytest.mark.parametrize(("database_url", "trouble"), PARAMETERS, indirect=["database_url"])
    def test_every_job_ends_once_and_at_its_first_attempt(
        self, behind: Behind, trouble: Callable[[Behind], None]
    ) -> None:
        jobs = [behind.submit(training(400)), *(behind.submit(training(2)) for _ in range(2))]
        behind.until_training(jobs[0])
        begun, before = time.monotonic(), behind.cpu()
        jobs.append(behind.submit(training(2)))
        trouble(behind)
        jobs.append(behind.submit(training(2)))
        share = (behind.cpu() - before) / (time.monotonic() - begun)
        for job in jobs:
            behind.ended_once(job)
        warnings = [line for line in behind.log().splitlines() if "will be tried again" in line]
        lines = len(behind.log().splitlines())
        print(f"{trouble.__name__}: {share:.0%} of a core, {len(warnings)} warnings, {lines} lines")
        assert share < 0.5 or trouble in (flushed, reset)
        assert len(warnings) <= 12, warnings
        assert behind.log().count("Traceback") <= 12, behind.log()[-5000:]


def locked(fleet: Behind, seconds: float) -> None:
    """Another program writes to the SQLite file, and does not come to an end."""
    with closing(
        sqlite3.connect(make_url(fleet.settings.database).database or "", isolation_level=None)
    ) as other:
        other.execute("PRAGMA busy_timeout = 60000")
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.execute("ROLLBACK")


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


OUTAGES = [
    pytest.param("sqlite", locked, marks=pytest.mark.nightly),
    *(
        pytest.param("postgresql", how, marks=pytest.mark.nightly)
        for how in (terminated, unreachable, silent)
    ),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("database_url", "outage"), OUTAGES, indirect=["database_url"])
class TestDatabase:
    def test_one_shorter_than_the_lease_costs_no_attempt(
        self, behind: Behind, outage: Callable[[Behind, float], None]
    ) -> None:
        jobs = [behind.submit(training(400)), behind.submit(training(2))]
        behind.until_training(jobs[0])
        trainer = behind.pid("trainer")
        outage(behind, 10)
        assert behind.job(jobs[0]).state in (State.RUNNING, State.SUCCEEDED)
        assert behind.job(jobs[0]).state == State.SUCCEEDED or behind.pid("trainer") == trainer
        jobs.append(behind.submit(training(2)))
        for job in jobs:
            behind.ended_once(job, None if outage is terminated else 1)
        print(f"{outage.__name__}: {len(behind.log().splitlines())} lines")
        assert behind.log().count("will be tried again") <= 30, behind.log()[-5000:]

    @pytest.mark.parametrize("lease", [3.0])
    def test_one_longer_than_the_lease_ends_the_attempt_and_the_next_goes_on(
        self, behind: Behind, outage: Callable[[Behind, float], None]
    ) -> None:
        if outage is terminated:
            pytest.skip("each connection is made again at once")
        job = behind.submit(training(1500))
        behind.until_training(job)
        trainer = psutil.Process(behind.pid("trainer"))
        outage(behind, 14)
        assert not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE
        behind.ended_once(job, None)
        assert behind.job(job).attempt >= 2


class TestPostgresRestart:
    @pytest.mark.nightly
    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    def test_jobs_outlive_it(self, behind: Behind, restart_postgres: Callable[[], None]) -> None:
        jobs = [behind.submit(training(400)), behind.submit(training(2))]
        behind.until_training(jobs[0])
        behind.database.engine.dispose()
        restart_postgres()
        for job in jobs:
            behind.ended_once(job)
