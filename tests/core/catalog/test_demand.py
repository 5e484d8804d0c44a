from collections.abc import Callable
from dataclasses import astuple

from sqlalchemy import update

from core.catalog import claims, jobs, pools
from core.catalog.database import Database
from core.catalog.demand import demand
from core.catalog.tables import Job
from core.jobs.placement import Offer


class TestDemand:
    def test_counts_by_need_what_waits_and_runs_and_who_could_do_it(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        needs = ["any", "gpus-2", "gpus-2", "gpus-2", "cpu", "gpu+512m"]
        made = [queued() for _ in needs]
        with database.write() as session:
            for number, (job, need) in enumerate(zip(made, needs, strict=True)):
                at = jobs.clock(session) - 100 * (number + 1)
                session.execute(update(Job).where(Job.id == job).values(need=need, created_at=at))
            claims.claim(session, made[1], "s", 60)
            claims.claim(session, made[4], "t", 60)
            jobs.cancel(session, made[4])
            jobs.cancel(session, made[5])
            pools.enrol(session, "one", Offer(slots=1, gpus=1))
            pools.enrol(session, "two", Offer(slots=1, gpus=2))
            pools.enrol(session, "drained", Offer(slots=1, gpus=2))
            pools.drain(session, "drained")
        with database.read() as session:
            found = demand(session)
        assert [astuple(one)[:5] + astuple(one)[6:] for one in found] == [
            ("any", "elasticket", 1, 1, 0, 2),
            ("cpu", "elasticket.cpu", 1, 0, 1, 2),
            ("gpus-2", "elasticket.gpus-2", 2, 2, 1, 1),
        ]
        ages = [one.oldest_seconds and round(one.oldest_seconds, -2) for one in found]
        assert ages == [100, None, 400]
