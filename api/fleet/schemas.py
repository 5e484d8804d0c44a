"""The fleet as the API shows it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.fleet import examples


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class HeldBody(_Read):
    """A job that a worker holds."""

    job: str
    kind: str
    state: str
    since: datetime
    silent: bool = Field(description="its lease ran out: the worker is gone, or cannot reach the database")


class WorkerBody(_Read):
    """One process that takes jobs, one at a time; the counts are of attempts that ended within 24 hours."""

    name: str = Field(description="host and process")
    device: str | None = Field(
        default=None, description="as its latest training tells; null where it did none within 24 hours"
    )
    holds: list[HeldBody] = Field(description="empty: it is idle or gone, which nothing here can tell apart")
    last_seen: datetime = Field(description="now where it holds a job, else the end of its latest attempt")
    succeeded: int
    failed: int
    cancelled: int
    lost: int = Field(description="ended without a result: it was killed, or fell silent")


class QueueBody(_Read):
    """What is to be done."""

    queued: int
    waiting: int
    running: int
    cancelling: int
    oldest_seconds: float | None = Field(
        default=None, description="since when the longest queued job was asked for"
    )


class DispatchBody(_Read):
    """What the database can tell of dispatchers and their broker."""

    unannounced: int = Field(description="queued jobs of which no worker was told yet")
    oldest_seconds: float | None = Field(default=None, description="for how long the first of them")
    expired: int = Field(description="leases that ran out, and that no dispatcher has ended yet")
    announced_at: datetime | None = Field(default=None, description="when the newest announced job was")
    late: bool = Field(description="announcements wait: no dispatcher runs, or it cannot reach its broker")


class HourBody(_Read):
    """The jobs that ended in one hour."""

    start: datetime
    succeeded: int
    failed: int
    cancelled: int


class DayBody(_Read):
    """What attempts took of the devices on one day (UTC), those under way until now."""

    start: datetime
    device_seconds: float


class FleetBody(_Read):
    """Workers, the queue and what came of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FLEET]})

    at: datetime
    workers: list[WorkerBody] = Field(
        description="those that held a job within 24 hours, those at work first; one that never did is not known"
    )
    queue: QueueBody
    dispatch: DispatchBody
    hours: list[HourBody] = Field(description="24 hours, the last one under way")
    days: list[DayBody] = Field(description="7 days, the last one under way")
