"""Jobs, hints, claims, leases and deaths, one event after the other. What is decided, the product's own code decides.

Real are the transactions that queue, announce, claim, end, give back and lose jobs, and those that make room and find
expired leases and lost hints. Counted only, because they would be millions: the heartbeats of hosts that live, which
are entered by one statement before each look that they matter to; and looks that can find nothing.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import NamedTuple

from sqlalchemy import select, text, update

from bench.simulation.catalog import Clock
from bench.simulation.counting import Counts
from bench.simulation.findings import Findings, Wait
from bench.simulation.fleet import Fate, Fleet, Held, Host, Look, Slot
from bench.simulation.workload import Request, Workload
from core.catalog import attempts, dispatch, jobs, placement, pools, preemption
from core.catalog.attempts import Report, Saved
from core.catalog.claims import Claimed
from core.catalog.database import Database, now
from core.catalog.tables import Job, Pool
from core.jobs.outcome import Outcome
from core.jobs.specs import TrainSpec
from core.jobs.states import State
from core.settings import Settings

HINT_SECONDS = 0.004
"""From a commit to the claim of a slot that is free, as bench.throughput measures it."""
START_SECONDS = 0.5
"""From a claim to the first step of a training."""
SAMPLE_SECONDS = 60.0
MAX_ATTEMPTS = 5


class Asked(NamedTuple):
    """Whose job it is, how urgent, how wide."""

    project: str
    priority: int
    gpus: int


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
        self._specs = {
            gpus: TrainSpec(architecture="mlp_1", dataset="digits", devices=gpus).complete("mlp")
            for gpus, _ in workload.widths
        }
        self._hosts = fleet.build()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order, self._numbers = count(), count()
        self._listening = OrderedDict((host, None) for host in self._hosts)
        self._at_work: dict[str, Slot] = {}
        self._asked: dict[str, Asked] = {}
        self._since: dict[str, float] = {}
        self._left: dict[str, float] = {}
        self._silent: set[str] = set()
        self._queued: Counter[Asked] = Counter()
        self._wanted: frozenset[tuple[int, int]] | None = None
        self._usage: Counter[str] = Counter()
        self._kept: dict[str, str] = {}
        self._hints = self._open = 0
        self._rung = False
        self._said_at = -math.inf
        self.found = Findings()
        self._counts = Counts(clock, settings, fleet.hosts, self.found)

    def run(self) -> Findings:
        """Go on until every job has ended."""
        with self._database.write() as session:
            for host in self._hosts:
                pools.enrol(session, host.name, host.offer)
        # One more, as long as requests are to come.
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
        with self._database.read() as session:
            pages = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            self.found.stored_bytes = session.execute(pages).scalar_one()
        return self.found

    def _at(self, after: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self._clock.now + after, next(self._order), happen))

    def _next_request(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._open -= 1
        else:
            self._at(request.at - self._clock.now, partial(self._submit, request))

    def _submit(self, request: Request) -> None:
        asked = Asked(request.project, request.priority, request.gpus)
        spec = self._specs[request.gpus]
        with self._counts.timed("submit"), self._of[request.project].write() as session:
            for seconds in request.seconds:
                job_id = f"{next(self._numbers):032x}"
                jobs.create(session, spec, MAX_ATTEMPTS, job_id=job_id, priority=request.priority)
                self._left[job_id], self._asked[job_id] = seconds, asked
                self._since[job_id] = self._clock.now
        self._counts.did("submit", len(request.seconds))
        self._open += len(request.seconds)
        self._queue(asked, len(request.seconds))
        self._ring()
        self._next_request()

    def _queue(self, asked: Asked, number: int) -> None:
        self._queued[asked] += number
        self._wanted = None

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            self._at(HINT_SECONDS / 2, self._relay)

    def _relay(self) -> None:
        """As a dispatcher does, but for the moment that it leaves workers before it strikes announcements out."""
        self._rung = False
        with self._database.read() as session:
            rows = dispatch.outbox(session)
        if rows:
            with self._database.write() as session:
                dispatch.announced(session, rows)
            self._counts.did("announced")
            self._counts.told(len(rows))
            self._hints = min(self._hints + sum(row.queued for row in rows), dispatch.MOST_HINTS)
        if len(rows) == dispatch.MOST_ROWS:
            self._ring()
        self._wake()

    def _wake(self) -> None:
        """Of hosts with a slot that does nothing the broker serves the one that has waited longest."""
        while self._hints and self._listening:
            host, _ = self._listening.popitem(last=False)
            slot = host.resting.pop()
            if host.resting:
                self._listening[host] = None
            self._hints -= 1
            self._at(HINT_SECONDS / 2, partial(self._take, slot, slot.life))

    def _rest(self, slot: Slot) -> None:
        slot.host.resting.append(slot)
        self._listening.setdefault(slot.host)

    def _take(self, slot: Slot, life: int) -> None:
        if slot.life != life or slot.host.silent:
            return
        job = self._claim(slot)
        if job is None:
            self._rest(slot)
            self._wake()
            return
        asked = self._asked[job.id]
        self._judge(asked)
        self._queue(asked, -1)
        self._usage[asked.project] += asked.gpus
        if job.attempt == 1:
            self.found.waits.append(Wait(*asked, self._clock.now - self._since[job.id]))
        began = self._clock.now + START_SECONDS
        slot.job = Held(job.id, job.attempt, job.project, began, began + self._left[job.id])
        self._at_work[job.id] = slot
        self._counts.at_work(+1, +asked.gpus)
        self._at(slot.job.ends - self._clock.now, partial(self._hand_in, slot, slot.job))

    def _claim(self, slot: Slot) -> Claimed | None:
        host, lease = slot.host, self._settings.lease_seconds
        if self._wanted is None:
            waits = (asked for asked, number in self._queued.items() if number)
            self._wanted = frozenset((asked.gpus, asked.priority) for asked in waits)
        look = Look(host.ended, self._kept.get(host.name), self._wanted)
        if look.is_no_better_than(host.looked):
            self._counts.did("claim in vain")
            return None
        with self._counts.timed("claim"), self._database.write() as session:
            job = placement.take(session, host.name, host.offer, slot.name, lease)
        if job is None:
            host.looked = look
            self._counts.did("claim in vain")
            return None
        self._counts.did("claim")
        # Whoever is kept for a job that is taken is kept for nobody.
        for name in [name for name, job_id in self._kept.items() if job_id == job.id]:
            del self._kept[name]
        return job

    def _judge(self, taken: Asked) -> None:
        waiting = [asked for asked, number in self._queued.items() if number]
        first = min((-asked.priority, self._usage[asked.project]) for asked in waiting)
        self.found.unfair += (-taken.priority, self._usage[taken.project]) != first

    def _hand_in(self, slot: Slot, held: Held) -> None:
        if slot.job is not held or slot.host.silent:
            return
        with self._counts.timed("succeed"), self._of[held.project].write() as session:
            accepted = attempts.succeed(session, held.job_id, held.attempt, Outcome(), [])
        self._counts.did("succeed")
        if accepted:
            self._open -= 1
            self._release(held.job_id)
        self.found.late += not accepted
        self._let_go(slot)
        self._take(slot, slot.life)

    def _release(self, job_id: str, state: State | None = None) -> None:
        """The catalog no longer counts a job as at work; in what state it is, if not at its good end."""
        asked = self._asked[job_id]
        self._usage[asked.project] -= asked.gpus
        if state is State.QUEUED:
            self._queue(asked, 1)
        elif state is not None:
            self._open -= 1

    def _let_go(self, slot: Slot) -> None:
        assert slot.job is not None
        self._counts.at_work(-1, -self._asked[slot.job.job_id].gpus)
        if self._at_work.get(slot.job.job_id) is slot:
            del self._at_work[slot.job.job_id]
        slot.job = None
        slot.host.ended += 1

    def _next_fate(self) -> None:
        at, number, fate = next(self._fates)
        self._at(at - self._clock.now, partial(self._befall, self._hosts[number], fate))

    def _befall(self, host: Host, fate: Fate) -> None:
        self._next_fate()
        if host.silent:
            return
        self.found.fates[fate.value] += 1
        host.silent = True
        self._counts.appear(-1)
        host.resting.clear()
        self._listening.pop(host, None)
        for slot in host.slots:
            if fate is not Fate.CUT_OFF or slot.job is None:
                slot.life += 1
            if slot.job is None:
                continue
            self._last_beat(slot.job, whole=fate is Fate.SHUT_DOWN)
            if fate is Fate.SHUT_DOWN:
                self._give_back(slot, "the worker was stopped")
            else:
                self._silent.add(slot.job.job_id)
            if fate is Fate.DIES:
                self._let_go(slot)
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
            self.found.lost_seconds += (trained - saved) * self._asked[held.job_id].gpus

    def _beat(self, held: Held, report: Report) -> State | None:
        lease = self._settings.lease_seconds
        with self._of[held.project].write() as session:
            return attempts.heartbeat(session, held.job_id, held.attempt, lease, report).state

    def _give_back(self, slot: Slot, reason: str) -> None:
        assert slot.job is not None
        with self._of[slot.job.project].write() as session:
            state = attempts.give_back(session, slot.job.job_id, slot.job.attempt, reason)
        self._counts.did("give_back")
        if state is not None:
            self._release(slot.job.job_id, state)
        self._let_go(slot)
        self._ring()

    def _return(self, host: Host) -> None:
        host.silent = False
        self._counts.appear(+1)
        self._said_at = -math.inf
        for slot in host.slots:
            if slot.job is None:
                self._rest(slot)
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
        if self._silent:
            self._renew_leases()
        if self._queued.total():
            self._say_who_is_there()
        if self._silent or self._queued.total():
            with self._counts.timed("look"):
                changed = self._end_the_lost() + self._tell_again()
            if changed:
                self._ring()

    def _end_the_lost(self) -> int:
        if not self._silent:
            return 0
        with self._database.write() as session:
            ended = dispatch.end_expired_leases(session)
        for job_id, state in ended:
            self._silent.discard(job_id)
            self._release(job_id, state)
        self._counts.did("lose", len(ended))
        return len(ended)

    def _tell_again(self) -> int:
        """After room was made for what waits."""
        if not self._queued.total():
            return 0
        self._make_room()
        if self._hints:
            return 0
        with self._database.write() as session:
            needs = dispatch.queued_needs(session)
            return dispatch.repeat_lost_hints(session, 2 * self._settings.reconcile_seconds, needs)

    def _renew_leases(self) -> None:
        """What the heartbeats have done of which something is heard."""
        with self._database.write() as session:
            heard = (Job.state == State.RUNNING, Job.id.not_in(self._silent))
            lease = now() + self._settings.lease_seconds
            session.execute(update(Job).where(*heard).values(lease_until=lease))

    def _say_who_is_there(self) -> None:
        """What hosts have done that are not silent, every so often."""
        if self._clock.now < self._said_at + pools.BEAT_SECONDS:
            return
        self._said_at = self._clock.now
        gone = [host.name for host in self._hosts if host.silent]
        with self._database.write() as session:
            session.execute(update(Pool).where(Pool.name.not_in(gone)).values(seen_at=now()))

    def _make_room(self) -> None:
        settings = self._settings
        with self._database.write() as session:
            asked = preemption.make_room(session, settings.reconcile_seconds, settings.patience_seconds)
            keeping = select(Pool.name, Job.id).join(Job, Job.id == Pool.kept_for)
            rows = session.execute(keeping.where(Job.state == State.QUEUED))
            self._kept = {name: job_id for name, job_id in rows}  # noqa: C416 - rows are no pairs to mypy
        for job_id in asked:
            slot = self._at_work.get(job_id)
            if slot is not None and slot.job is not None:
                self._at(settings.heartbeat_seconds, partial(self._give_way, slot, slot.job))

    def _give_way(self, slot: Slot, held: Held) -> None:
        if slot.job is not held or slot.host.silent:
            return
        self.found.gave_way += 1
        self._last_beat(held, whole=True)
        self._give_back(slot, "it gave way")
        self._take(slot, slot.life)

    def _sample(self) -> None:
        self._at(SAMPLE_SECONDS, self._sample)
        # Slots of silent hosts that have no job.
        away = sum(slot.job is None for host in self._hosts if host.silent for slot in host.slots)
        kept = sum(self._free(host) for host in self._hosts if host.name in self._kept and not host.silent)
        self._counts.sample(self._queued.total(), away, kept)

    def _free(self, host: Host) -> int:
        held = sum(self._asked[slot.job.job_id].gpus for slot in host.slots if slot.job is not None)
        return host.offer.gpus - held
