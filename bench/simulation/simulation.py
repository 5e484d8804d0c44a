"""Jobs, hints, claims, leases and deaths, one event after the other. What is decided, the product's own code decides.

Real are: the transactions that queue, announce, claim, end, give back and lose jobs, and those that find expired
leases and lost hints. Counted only, because they would be millions: the heartbeats of hosts that live, whose leases
are renewed by one statement before each look for expired ones; and looks at which there can be nothing to find.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import NamedTuple

from sqlalchemy import update

from bench.simulation.catalog import Clock
from bench.simulation.fleet import Fate, Fleet, Held, Host, Slot
from bench.simulation.workload import Request, Workload
from core.catalog import attempts, dispatch, jobs, queue
from core.catalog.attempts import Report, Saved
from core.catalog.database import Database, now
from core.catalog.tables import Job
from core.jobs.outcome import Outcome
from core.jobs.specs import TrainSpec
from core.jobs.states import State
from core.settings import Settings

SPEC = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")
HINT_SECONDS = 0.004
"""From a commit to the claim of a slot that is free, as bench.throughput measures it."""
START_SECONDS = 0.5
"""From a claim to the first step of a training."""
SAMPLE_SECONDS = 60.0
MAX_ATTEMPTS = 5


class Wait(NamedTuple):
    """How long a job stood in the queue before its first claim."""

    at: float
    project: str
    priority: int
    seconds: float


@dataclass
class Sample:
    """How things stood at a moment, and what was done since the last one."""

    at: float
    queued: int
    busy: int
    away: int
    hints: int
    transactions: Counter[str]


@dataclass
class Findings:
    """What a simulation saw. Of slots that had lost their job: `late` wanted to hand it in, `refused` to go on."""

    waits: list[Wait] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    late: int = 0
    busy_seconds: float = 0.0
    lost_seconds: float = 0.0
    ended_at: float = 0.0

    @property
    def transactions(self) -> Counter[str]:
        """Of the whole time."""
        return sum((sample.transactions for sample in self.samples), Counter())


class Simulation:
    """A fleet at work on a workload, from the first request to the end of the last job."""

    def __init__(
        self, database: Database, clock: Clock, workload: Workload, fleet: Fleet, settings: Settings
    ) -> None:
        self._database = database
        self._of = {name: database.of(name) for name in workload.names}
        self._clock = clock
        self._fleet = fleet
        self._settings = settings
        self._requests = workload.requests()
        self._fates = fleet.fates(workload.seed)
        self._draw = random.Random(f"cuts {workload.seed}")
        self._hosts = fleet.build()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order, self._numbers = count(), count()
        self._idle = {slot: None for host in self._hosts for slot in host.slots}
        self._left: dict[str, float] = {}
        self._silent: set[str] = set()
        self._hints = self._queued = self._open = self._busy = 0
        self._rung = False
        self._counted_at = 0.0
        self._since: Counter[str] = Counter()
        self.found = Findings()

    def run(self) -> Findings:
        """Go on until every job has ended."""
        self._open = 1
        self._next_request()
        self._next_fate()
        self._at(self._settings.reconcile_seconds, self._reconcile)
        self._at(SAMPLE_SECONDS, self._sample)
        while self._open:
            self._clock.now, _, happen = heapq.heappop(self._agenda)
            happen()
        self._rung = True
        while self._rung:
            self._relay()
        self._sample()
        self.found.ended_at = self._clock.now
        return self.found

    def _at(self, after: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self._clock.now + after, next(self._order), happen))

    def _did(self, transaction: str, times: float = 1) -> None:
        self._since[transaction] += times  # type: ignore[assignment]

    def _next_request(self) -> None:
        request = next(self._requests, None)
        if request is None:
            # What was counted for those to come.
            self._open -= 1
        else:
            self._at(request.at - self._clock.now, partial(self._submit, request))

    def _submit(self, request: Request) -> None:
        with self._of[request.project].write() as session:
            for seconds in request.seconds:
                job_id = f"{next(self._numbers):032x}"
                jobs.create(session, SPEC, MAX_ATTEMPTS, job_id=job_id, priority=request.priority)
                self._left[job_id] = seconds
        self._did("submit", len(request.seconds))
        self._open += len(request.seconds)
        self._queued += len(request.seconds)
        self._ring()
        self._next_request()

    def _ring(self, after: float = HINT_SECONDS / 2) -> None:
        if not self._rung:
            self._rung = True
            self._at(after, self._relay)

    def _relay(self) -> None:
        self._rung = False
        with self._database.read() as session:
            rows = dispatch.outbox(session)
        room = max(0, dispatch.MOST_HINTS - self._hints)
        new = [row for row in rows if row.queued][:room]
        done = [row for row in rows if not row.queued] + new
        if done:
            with self._database.write() as session:
                dispatch.announced(session, done)
            self._did("announced")
        self._hints += len(new)
        if len(done) < len(rows) or len(rows) == dispatch.MOST_ROWS:
            self._ring(self._settings.relay_seconds if len(new) < room else self._settings.reconcile_seconds)
        self._wake()

    def _wake(self) -> None:
        while self._hints and self._idle:
            slot, _ = self._idle.popitem()
            self._hints -= 1
            self._at(HINT_SECONDS / 2, partial(self._take, slot, slot.life))

    def _take(self, slot: Slot, life: int) -> None:
        if slot.life != life or slot.host.silent:
            return
        with self._database.write() as session:
            job_id = queue.next_job(session)
            job = attempts.claim(session, job_id, slot.name, self._settings.lease_seconds) if job_id else None
        self._did("claim")
        if job is None:
            self._idle[slot] = None
            self._wake()
            return
        self._tally(+1)
        self._queued -= 1
        if job.attempt == 1:
            seconds = self._clock.now - job.created_at
            self.found.waits.append(Wait(job.created_at, job.project, job.priority, seconds))
        ends = self._clock.now + START_SECONDS + self._left[job.id]
        slot.job = Held(job.id, job.attempt, job.project, self._clock.now + START_SECONDS, ends)
        self._at(ends - self._clock.now, partial(self._hand_in, slot, slot.job))

    def _hand_in(self, slot: Slot, held: Held) -> None:
        if slot.job is not held or slot.host.silent:
            return
        with self._of[held.project].write() as session:
            accepted = attempts.succeed(session, held.job_id, held.attempt, Outcome(), [])
        self._did("succeed")
        self._open -= accepted
        self.found.late += not accepted
        self._let_go(slot)
        self._take(slot, slot.life)

    def _let_go(self, slot: Slot) -> None:
        slot.job = None
        self._tally(-1)

    def _next_fate(self) -> None:
        at, number, fate = next(self._fates)
        self._at(at - self._clock.now, partial(self._befall, self._hosts[number], fate))

    def _befall(self, host: Host, fate: Fate) -> None:
        self._next_fate()
        if host.silent:
            return
        self.found.fates[fate.value] += 1
        host.silent = True
        for slot in host.slots:
            self._idle.pop(slot, None)
            if slot.job is not None:
                self._last_beat(slot.job, whole=fate is Fate.SHUT_DOWN)
                self._silent.add(slot.job.job_id)
            if fate is not Fate.CUT_OFF:
                self._end(slot, gives_back=fate is Fate.SHUT_DOWN)
        cut = self._draw.expovariate(1 / self._fleet.cut_seconds)
        self._at(cut if fate is Fate.CUT_OFF else self._fleet.away_seconds, partial(self._return, host))

    def _last_beat(self, held: Held, *, whole: bool) -> None:
        """The last that is heard of a job for a while: who claims it next goes on from its last saved state."""
        trained = max(0.0, self._clock.now - held.began)
        every = self._settings.checkpoint_seconds
        saved = trained if whole else trained // every * every
        states = [Saved("seed 0", int(saved), False, f"{held.attempt:064x}")] if saved else []
        if self._beat(held, Report(checkpoints=states)) is not None:
            self._left[held.job_id] -= saved
            self.found.lost_seconds += trained - saved

    def _beat(self, held: Held, report: Report) -> State | None:
        with self._of[held.project].write() as session:
            beat = attempts.heartbeat(
                session, held.job_id, held.attempt, self._settings.lease_seconds, report
            )
        return beat.state

    def _end(self, slot: Slot, *, gives_back: bool) -> None:
        """The slot's process ends; its job, if it has one, is given back or left to the reconciler."""
        slot.life += 1
        if slot.job is None:
            return
        if gives_back:
            with self._database.write() as session:
                state = attempts.give_back(session, slot.job.job_id, slot.job.attempt)
            self._did("give_back")
            self._silent.discard(slot.job.job_id)
            self._queued += state == State.QUEUED
            self._ring()
        self._let_go(slot)

    def _return(self, host: Host) -> None:
        host.silent = False
        for slot in host.slots:
            if slot.job is None:
                self._idle[slot] = None
            elif slot.job.ends <= self._clock.now:
                self._hand_in(slot, slot.job)
            elif self._beat(slot.job, Report()) is None:
                self.found.refused += 1
                self._let_go(slot)
                self._take(slot, slot.life)
            else:
                self._silent.discard(slot.job.job_id)
        self._wake()

    def _reconcile(self) -> None:
        self._at(self._settings.reconcile_seconds, self._reconcile)
        changed = 0
        if self._silent:
            with self._database.write() as session:
                heard = (Job.state == State.RUNNING, Job.id.not_in(self._silent))
                session.execute(
                    update(Job).where(*heard).values(lease_until=now() + self._settings.lease_seconds)
                )
            with self._database.write() as session:
                for job_id, state in dispatch.end_expired_leases(session):
                    self._silent.discard(job_id)
                    self._queued += state == State.QUEUED
                    self._open -= state == State.FAILED
                    changed += 1
            self._did("lose", changed)
        if self._queued and not self._hints:
            with self._database.write() as session:
                changed += dispatch.repeat_lost_hints(session, 2 * self._settings.reconcile_seconds)
        if changed:
            self._ring()

    def _tally(self, change: int) -> None:
        """So many more slots are at work from now on; heartbeats and saved states until now are counted."""
        seconds, self._counted_at = self._clock.now - self._counted_at, self._clock.now
        saved = self._busy * seconds / self._settings.checkpoint_seconds
        self._did("checkpoint", saved)
        self._did("heartbeat", self._busy * seconds / self._settings.heartbeat_seconds - saved)
        self.found.busy_seconds += self._busy * seconds
        self._busy += change

    def _sample(self) -> None:
        self._at(SAMPLE_SECONDS, self._sample)
        self._tally(0)
        self.found.samples.append(
            Sample(self._clock.now, self._queued, self._busy, self._away(), self._hints, self._since)
        )
        self._since = Counter()

    def _away(self) -> int:
        """Slots of hosts that are silent, which have no job."""
        return sum(slot.job is None for host in self._hosts if host.silent for slot in host.slots)
