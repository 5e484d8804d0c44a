"""Whatever happens to jobs, in whatever order: the catalog does what a naive model does, and its history is sound.

More of it, nightly: LIFE_CYCLES=5000 in the environment.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.catalog import attempts, dispatch, history, jobs, placement
from core.catalog.attempts import Report, Saved
from core.catalog.claims import Claimed
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.catalog.tables import Base, Event, Job, Outbox, Run
from core.jobs.outcome import Failure, Outcome, RunRecord
from core.jobs.placement import Offer
from core.jobs.specs import TrainSpec
from tests.core.catalog.faked_clock import Clock

LIFE_CYCLES = int(os.environ.get("LIFE_CYCLES", "500"))
SPEC = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")
RUN = RunRecord(
    "mlp_1", "digits", None, 0, 0, None, 0.0, 0, 12, 0.1, history=[], fingerprint={}, weights_digest="0" * 64
)
ENDED = ("succeeded", "failed", "cancelled")
HELD = ("running", "cancelling")

torn = st.sampled_from([False] * 5 + [True])
"""Whether the writer dies just before its commit."""


@dataclass
class Known:
    """What is to be true of a job."""

    max_attempts: int
    priority: int
    created: float
    state: str = "queued"
    attempt: int = 0
    lease: float | None = None
    hinted: float | None = None
    saved: set[int] = field(default_factory=set)
    told: list[str] = field(default_factory=lambda: ["queued"])
    words: int = 0
    runs: int = 0

    def goes(self, state: str) -> None:
        self.state = state
        self.told.append(state)
        if state in (*ENDED, "queued"):
            self.lease = None

    def held_by(self, attempt: int) -> bool:
        return self.state in HELD and self.attempt == attempt


class PowerCut(Exception):
    """The writer dies."""


class LifeCycle(RuleBasedStateMachine):
    """Users, dispatchers and workers, some of which believe they hold what they have lost."""

    database: Database
    clock: Clock

    held = Bundle("held")
    made = Bundle("made")

    @initialize()
    def begins(self) -> None:
        self.known: dict[str, Known] = {}
        self.outbox: Counter[str] = Counter()
        self.hints: list[str] = []
        self.clock.set(1000.0)
        with self.database.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                if table.name != "projects":
                    session.execute(table.delete())

    def write(self, torn: bool, work: Callable[[Session], Any]) -> Any:
        """What came of a transaction; None where its writer died."""
        try:
            with self.database.write() as session:
                done = work(session)
                if torn:
                    raise PowerCut
                return done
        except PowerCut:
            return None

    @rule(target=made, most=st.integers(1, 3), priority=st.integers(-1, 1), torn=torn)
    def submit(self, most: int, priority: int, torn: bool) -> Any:
        job_id = f"{len(self.known):032x}"
        made = self.write(
            torn, lambda session: jobs.create(session, SPEC, most, job_id=job_id, priority=priority)
        )
        return multiple() if torn else self.entered(made.id, most, priority)

    def entered(self, job_id: str, most: int, priority: int) -> str:
        self.known[job_id] = Known(most, priority, self.clock.now)
        self.outbox[job_id] += 1
        return job_id

    @rule(target=made, job_id=made, torn=torn)
    def retry(self, job_id: str, torn: bool) -> Any:
        # Its id is drawn: with a time of its own it needs none to have a place in the queue.
        self.clock.set(self.clock.now + 0.5)
        made = self.write(
            torn, lambda session: jobs.retry(session, session.get_one(Job, job_id), SPEC, 2, priority=0)
        )
        if torn:
            return multiple()
        assert (made is not None) == (self.known[job_id].state in ("failed", "cancelled"))
        return multiple() if made is None else self.entered(made.id, 2, 0)

    @rule(job_id=made, torn=torn)
    def cancel(self, job_id: str, torn: bool) -> None:
        known = self.known[job_id]
        done = self.write(torn, lambda session: jobs.cancel(session, job_id))
        if torn:
            return
        goes = {"queued": "cancelled", "running": "cancelling"}.get(known.state)
        assert (done is not None) == (goes is not None)
        if goes is not None:
            known.goes(goes)

    @rule(struck=st.booleans())
    def relay(self, struck: bool) -> None:
        """A dispatcher that dies before it strikes them out announces them again."""
        with self.database.read() as session:
            rows = dispatch.outbox(session)
        self.hints += [row.job_id for row in rows]
        assert Counter(row.job_id for row in rows) == self.outbox
        if struck and rows:
            self.write(False, lambda session: dispatch.announced(session, rows))
            for job_id in self.outbox:
                if self.known[job_id].state == "queued":
                    self.known[job_id].hinted = self.clock.now
            self.outbox.clear()

    @rule()
    def the_broker_forgets(self) -> None:
        self.hints.clear()

    @precondition(lambda self: self.hints)
    @rule()
    def a_hint_is_delivered_twice(self) -> None:
        self.hints.append(self.hints[0])

    @precondition(lambda self: self.hints)
    @rule(target=held, lease=st.integers(1, 60), torn=torn)
    def a_worker_takes_a_hint(self, lease: int, torn: bool) -> Any:
        self.hints.pop()
        queued = [(-k.priority, k.created, job_id) for job_id, k in self.known.items() if k.state == "queued"]

        def take(session: Session) -> Claimed | None:
            return placement.take(session, "worker", Offer(slots=1000), "worker", lease)

        job = self.write(torn, take)
        if torn:
            return multiple()
        if not queued:
            assert job is None
            return multiple()
        known = self.known[min(queued)[2]]
        known.goes("running")
        known.attempt += 1
        known.lease = self.clock.now + lease
        assert (job.id, job.attempt) == (min(queued)[2], known.attempt)
        return job.id, job.attempt

    @rule(handle=consumes(held))
    def a_worker_forgets(self, handle: tuple[str, int]) -> None:
        """It died: nobody writes for this attempt any more."""

    @rule(handle=held, saves=st.booleans(), says=st.integers(0, 2), lease=st.integers(1, 60), torn=torn)
    def heartbeat(self, handle: tuple[str, int], saves: bool, says: int, lease: int, torn: bool) -> None:
        job_id, attempt = handle
        known = self.known[job_id]
        saved = [Saved("seed 0", known.words, False, f"{known.words:064x}")] if saves else []
        report = Report([JobEvent("log", {"text": "…"})] * says, saved, {"done": 1, "total": 2})
        beat = self.write(torn, lambda session: attempts.heartbeat(session, job_id, attempt, lease, report))
        if torn:
            return
        if not known.held_by(attempt):
            assert beat.state is None
            return
        assert beat.state == known.state
        known.lease = self.clock.now + lease
        known.told += ["log"] * says
        known.words += says
        known.saved |= {attempt} if saves else set()

    @rule(handle=held, torn=torn)
    def succeed(self, handle: tuple[str, int], torn: bool) -> None:
        if self.ends(handle, torn, lambda s: attempts.succeed(s, *handle, Outcome(runs=[RUN]), [])):
            self.known[handle[0]].goes("succeeded")
            self.known[handle[0]].runs = 1

    @rule(handle=held, torn=torn)
    def fail(self, handle: tuple[str, int], torn: bool) -> None:
        if self.ends(handle, torn, lambda s: attempts.fail(s, *handle, Failure("diverged", "…"))):
            self.known[handle[0]].goes("failed")

    @precondition(lambda self: any(known.state == "cancelling" for known in self.known.values()))
    @rule(handle=held, torn=torn)
    def stop(self, handle: tuple[str, int], torn: bool) -> None:
        job_id, attempt = handle
        known = self.known[job_id]
        done = self.write(torn, lambda session: attempts.stopped(session, *handle))
        if not torn:
            assert done == (known.state == "cancelling" and known.attempt == attempt)
            if done:
                known.goes("cancelled")

    def ends(self, handle: tuple[str, int], torn: bool, end: Callable[[Session], bool]) -> bool:
        """Whether an attempt's end was taken down: only where it still holds the job."""
        job_id, attempt = handle
        done = self.write(torn, end)
        if torn:
            return False
        assert done == self.known[job_id].held_by(attempt)
        return bool(done)

    @rule(handle=held, torn=torn)
    def give_back(self, handle: tuple[str, int], torn: bool) -> None:
        self.loses(handle, torn, lambda session: attempts.give_back(session, *handle), counts=False)

    @rule(handle=held, torn=torn)
    def lose(self, handle: tuple[str, int], torn: bool) -> None:
        counts = handle[1] not in self.known[handle[0]].saved
        self.loses(handle, torn, lambda session: attempts.lose(session, *handle, "died"), counts=counts)

    def loses(
        self, handle: tuple[str, int], torn: bool, end: Callable[[Session], str | None], *, counts: bool
    ) -> None:
        job_id, attempt = handle
        known = self.known[job_id]
        done = self.write(torn, end)
        if torn:
            return
        if known.held_by(attempt):
            self.is_lost(job_id, counts)
            assert done == known.state
        else:
            assert done is None

    def is_lost(self, job_id: str, counts: bool) -> None:
        known = self.known[job_id]
        limit = known.max_attempts + (not counts)
        if known.state == "cancelling":
            known.goes("cancelled")
        elif known.attempt >= limit:
            known.goes("failed")
        else:
            known.goes("queued")
            known.max_attempts, known.hinted = limit, None
            self.outbox[job_id] += 1

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0, 3600.0, -30.0]))
    def the_clock_moves(self, seconds: float) -> None:
        self.clock.set(self.clock.now + seconds)

    @rule(torn=torn)
    def leases_expire(self, torn: bool) -> None:
        over = {job_id for job_id, k in self.known.items() if k.state in HELD and k.lease < self.clock.now}
        done = self.write(torn, dispatch.end_expired_leases)
        if torn:
            return
        for job_id in over:
            self.is_lost(job_id, self.known[job_id].attempt not in self.known[job_id].saved)
        assert dict(done) == {job_id: self.known[job_id].state for job_id in over}

    @precondition(lambda self: not self.hints)
    @rule(torn=torn)
    def lost_hints_are_repeated(self, torn: bool) -> None:
        lost = [
            job_id
            for job_id, k in self.known.items()
            if k.state == "queued"
            and not self.outbox[job_id]
            and (k.hinted is None or k.hinted < self.clock.now - 4)
        ]
        done = self.write(torn, lambda session: dispatch.repeat_lost_hints(session, 4, {"any"}))
        if not torn:
            assert done == len(lost)
            self.outbox.update(lost)

    @invariant()
    def nothing_else_has_happened(self) -> None:
        with self.database.read() as session:
            rows = {
                job.id: (job.state, job.attempt, job.lease_until, job.hinted_at, job.max_attempts)
                for job in session.scalars(select(Job))
            }
            told: dict[str, list[str]] = {job_id: [] for job_id in rows}
            for one in session.scalars(select(Event).order_by(Event.job_id, Event.seq)):
                told[one.job_id].append(one.data["state"] if one.kind == "state" else one.kind)
            outbox = Counter(session.scalars(select(Outbox.job_id)))
            runs = Counter(session.scalars(select(Run.job_id)))
        assert rows == {
            job_id: (k.state, k.attempt, k.lease, k.hinted, k.max_attempts)
            for job_id, k in self.known.items()
        }
        assert told == {job_id: k.told for job_id, k in self.known.items()}
        assert outbox == +self.outbox
        assert runs == Counter({job_id: k.runs for job_id, k in self.known.items() if k.runs})

    def teardown(self) -> None:
        with self.database.read() as session:
            assert list(history.violations(session)) == []


@pytest.fixture
def clock(database: Database) -> Clock:
    return Clock(database)


def live(database: Database, clock: Clock, examples: int, steps: int) -> None:
    machine = type("Machine", (LifeCycle,), {"database": database, "clock": clock})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class TestLifeCycle:
    @pytest.mark.timeout(400)
    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_does_what_the_model_does(self, database: Database, clock: Clock) -> None:
        live(database, clock, examples=15, steps=30)

    @pytest.mark.nightly
    @pytest.mark.timeout(3600)
    def test_does_what_the_model_does_for_long(self, database: Database, clock: Clock) -> None:
        live(database, clock, examples=LIFE_CYCLES, steps=60)


class TestClock:
    def test_the_products_own_sql_asks_it(self, database: Database, clock: Clock) -> None:
        for now in (5000.0, 4000.5):
            clock.set(now)
            with database.read() as session:
                assert jobs.clock(session) == now
