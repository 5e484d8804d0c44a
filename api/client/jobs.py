"""What can be done with jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from api.client.answer import Identified, identity
from api.client.events import Events
from api.client.models.jobs import Deleted, Job, JobLedger, JobSummary, Run, RunComparison, TransformPlan
from api.client.models.queries import CompareRunsQuery, ListJobsQuery
from api.client.models.requests import (
    ConnectRequest,
    EvaluateRequest,
    FindRequest,
    TrainRequest,
    TransformRequest,
)


class Jobs(Events):
    """Routes that make jobs, and those under /jobs and /runs.

    A request done before is answered with that finished job. Of the jobs that wait, those of the highest `priority` are
    taken first.
    """

    def find(self, *, priority: int | None = None, **asked: Unpack[FindRequest]) -> Job:
        """Find one ticket per seed."""
        return self.post(Job, "/find", asked, {"priority": priority})

    def transform(self, *, priority: int | None = None, **asked: Unpack[TransformRequest]) -> Job:
        """Stretch or squeeze tickets into another member of their family."""
        return self.post(Job, "/transform", asked, {"priority": priority})

    def plan_transform(self, **asked: Unpack[TransformRequest]) -> TransformPlan:
        """What a transformation would do; nothing is done."""
        return self.post(TransformPlan, "/transform", asked, {"dry_run": True})

    def train(self, *, priority: int | None = None, **asked: Unpack[TrainRequest]) -> Job:
        """Train tickets from their rewind points, or a network from its initialisation."""
        return self.post(Job, "/train", asked, {"priority": priority})

    def evaluate(self, *, priority: int | None = None, **asked: Unpack[EvaluateRequest]) -> Job:
        """Measure tickets, or what a job has trained."""
        return self.post(Job, "/evaluate", asked, {"priority": priority})

    def connect(self, *, priority: int | None = None, **asked: Unpack[ConnectRequest]) -> Job:
        """Measure the networks on the line between two trainings of a ticket."""
        return self.post(Job, "/connect", asked, {"priority": priority})

    def jobs(self, **filters: Unpack[ListJobsQuery]) -> Iterator[JobSummary]:
        """All jobs that pass the filters, newest first; `limit` is how many are asked for at a time."""
        return self.pages(JobSummary, "/jobs", filters)

    def job(self, job: str) -> Job:
        """A job with everything it has produced."""
        return self.get(Job, f"/jobs/{job}")

    def runs(self, job: str | Identified) -> Iterator[Run]:
        """A job's trainings, with their metrics per epoch."""
        return self.pages(Run, f"/jobs/{identity(job)}/runs")

    def log(self, job: str | Identified) -> str:
        """What a job's attempts wrote."""
        return self.text(f"/jobs/{identity(job)}/log")

    def job_ledger(self, job: str | Identified) -> JobLedger:
        """What a job took of the devices."""
        return self.get(JobLedger, f"/jobs/{identity(job)}/ledger")

    def cancel(self, job: str | Identified) -> Job:
        """Ask a job to stop."""
        return self.post(Job, f"/jobs/{identity(job)}/cancel")

    def delete_job(self, job: str | Identified) -> Deleted:
        """Delete a job that is over, with all that is known of it; the tickets that it made stay."""
        return self.parsed(Deleted, self.send("DELETE", f"/jobs/{identity(job)}"))

    def retry(self, job: str | Identified, *, priority: int | None = None) -> Job:
        """A new job with the spec of one that failed or was cancelled."""
        return self.post(Job, f"/jobs/{identity(job)}/retry", query={"priority": priority})

    def prioritise(self, job: str | Identified, *, priority: int) -> Job:
        """Give a job that waits another place in the queue: the highest is taken first."""
        return self.post(Job, f"/jobs/{identity(job)}", {"priority": priority}, method="PATCH")

    def compare_runs(self, **asked: Unpack[CompareRunsQuery]) -> RunComparison:
        """Trainings side by side, each JOB:NUMBER: what differs, what is common, their curves."""
        return self.get(RunComparison, "/runs", asked)
