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


class PoolBody(_Read):
    """A worker with its slots, and what it offers to jobs; memory in MiB, 0 where it is not known."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [examples.POOL]})

    name: str = Field(description="host and process")
    slots: int = Field(description="jobs that it does at a time")
    held: int = Field(description="slots that have a job, of whatever project")
    gpus: int
    gpu_memory_mib: int = Field(description="of each GPU")
    memory_mib: int = Field(description="of the machine, for what is computed on its CPU")
    takes: list[str] = Field(description="the jobs that it takes, by the device they ask for")
    drained: bool = Field(description="it takes no more jobs")
    live: bool = Field(description="it was heard of within 40 seconds")
    started_at: datetime
    seen_at: datetime


class PoolChange(BaseModel):
    """Whether a worker takes jobs."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"drained": True, "at_once": True}]}
    )

    drained: bool = Field(description="true: it takes no more jobs; false: it takes jobs again")
    at_once: bool = Field(
        default=False,
        description="with drained: its jobs save their state and go back to the queue, instead of being finished",
    )


class DemandBody(_Read):
    """The jobs of one need."""

    need: str = Field(
        description="devices that such a job takes, and memory in MiB: any, cpu, gpu, gpus-4, gpu+2048m"
    )
    queue: str = Field(description="the broker's queue of their announcements")
    devices: int
    queued: int
    running: int
    oldest_seconds: float | None = Field(
        default=None, description="since when the oldest queued was asked for"
    )
    workers: int = Field(
        description="that take jobs and could hold one; where there is none, it waits for one"
    )


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
    pools: list[PoolBody] = Field(
        description="the installation's workers, those that wait for work included; shown to the default project alone"
    )
    demand: list[DemandBody] = Field(description="queued and running jobs by what they need")
    queue: QueueBody
    dispatch: DispatchBody
    hours: list[HourBody] = Field(description="24 hours, the last one under way")
    days: list[DayBody] = Field(description="7 days, the last one under way")
