"""What each transaction of the queue costs on a PostgreSQL that has nothing else to do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg
from sqlalchemy.orm import Session

from bench.throughput.stack import postgresql
from core.catalog import attempts, claims, dispatch, jobs, placement
from core.catalog.attempts import Report, Saved
from core.catalog.claims import Claimed
from core.catalog.database import Database
from core.catalog.migrate import upgrade
from core.jobs.outcome import Outcome
from core.jobs.placement import Offer
from core.jobs.specs import TrainSpec
from core.jobs.states import State

TIMES = 500
SPEC = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")
LEASE = 3600.0
OFFER = Offer(slots=10**6)
PROGRESS = {"done": 120, "total": 480, "doing": "1 of 1: seed 0", "eta_seconds": 1.8}
OF_A_PROJECT = ("submit", "heartbeat", "checkpoint", "succeed")
TABLES = ("jobs", "attempts", "events", "checkpoints", "outbox")


def measure() -> dict[str, Any]:
    """By transaction: milliseconds until it is committed, of the processors, and bytes of log; bytes kept of a job."""
    with tempfile.TemporaryDirectory(prefix="elasticket-") as folder:
        Path(folder).chmod(0o755)
        with postgresql(Path(folder) / "postgresql") as server:
            upgrade(server)
            database = Database(server)
            found = _Costs(database, server).all()
            database.close()
    return found


class _Costs:
    """The transactions of jobs' lives, one kind after the other."""

    def __init__(self, database: Database, server: str) -> None:
        self._database = database
        self._everywhere = database.everywhere()
        self._server = server
        self._transactions: dict[str, dict[str, float]] = {}

    def all(self) -> dict[str, Any]:
        """In the order in which a job meets them."""
        made: list[str] = []
        held: list[Claimed] = []
        self._cost("submit", lambda s: made.append(jobs.create(s, SPEC, 5).id))
        self._cost("look at the outbox", dispatch.outbox, reads=True)
        with self._everywhere.read() as session:
            waiting = dispatch.outbox(session, TIMES)
        self._cost("claim", lambda s: held.append(self._claim(s)))
        self._cost("announced", lambda s: dispatch.announced(s, [waiting.pop()]))
        self._cost("expire, none did", dispatch.end_expired_leases)
        self._cost("repeat, none was lost", lambda s: dispatch.repeat_lost_hints(s, 4, {"any"}))
        each = iter(held)
        self._cost("heartbeat", lambda s: self._beat(s, next(each), Report(progress=PROGRESS)))
        saving = iter(enumerate(held))
        self._cost("checkpoint", lambda s: self._beat(s, *_saved(*next(saving))))
        ending = iter(held)
        self._cost("succeed", lambda s: self._succeed(s, next(ending)))
        return {"transactions": self._transactions, "bytes_per_job": self._bytes()}

    def _claim(self, session: Session) -> Claimed:
        choice = next(placement.choices(session, "worker", OFFER))
        # In no pool: hundreds that one worker held would be read by each further claim, where there are a few.
        job = claims.claim(session, choice.job, "worker:1", LEASE, None, choice.gpus)
        assert job is not None
        return job

    def _beat(self, session: Session, job: Claimed, report: Report) -> None:
        assert attempts.heartbeat(session, job.id, job.attempt, LEASE, report).state is State.RUNNING

    def _succeed(self, session: Session, job: Claimed) -> None:
        assert attempts.succeed(session, job.id, job.attempt, Outcome(), [])

    def _cost(self, name: str, work: Callable[[Session], object], *, reads: bool = False) -> None:
        taken = []
        database = self._database if name in OF_A_PROJECT else self._everywhere
        with self._spent() as spent:
            for _ in range(TIMES):
                began = time.perf_counter()
                with database.read() if reads else database.write() as session:
                    work(session)
                taken.append(time.perf_counter() - began)
        self._transactions[name] = {
            "ms": round(1000 * median(taken), 3),
            **{what: round(total / TIMES, 3) for what, total in spent.items()},
        }

    @contextmanager
    def _spent(self) -> Iterator[dict[str, float]]:
        """What passes meanwhile: processor time of the server and of this process in ms, and bytes of log."""
        before = self._counters()
        spent: dict[str, float] = {}
        yield spent
        after = self._counters()
        spent |= {name: after[name] - before[name] for name in before}

    def _counters(self) -> dict[str, float]:
        with psycopg.connect(self._server) as connection:
            others = connection.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            server = [psutil.Process(pid).cpu_times() for (pid,) in others]
            written = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::float8").fetchone()
        assert written is not None
        return {
            "server_ms": 1000 * sum(times.user + times.system for times in server),
            "client_ms": 1000 * time.process_time(),
            "log_bytes": written[0],
        }

    def _bytes(self) -> dict[str, float]:
        sizes = {}
        with psycopg.connect(self._server) as connection:
            for table in TABLES:
                size = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
                assert size is not None
                sizes[table] = round(size[0] / TIMES)
        return sizes


def _saved(step: int, job: Claimed) -> tuple[Claimed, Report]:
    return job, Report(checkpoints=[Saved("seed 0", step, False, f"{step:064x}")], progress=PROGRESS)
