"""What can be done with studies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, Unpack

from api.client.answer import Identified, identity
from api.client.files import Files, opened, rewinding
from api.client.models.jobs import Chart, Deleted
from api.client.models.queries import ListStudiesQuery
from api.client.models.requests import ExtensionRequest, PlanRequest, StudyRequest
from api.client.models.studies import (
    Figures,
    HeatMap,
    Plan,
    PlannedExtension,
    PlannedStudy,
    Study,
    StudyLedger,
    StudySummary,
    Table,
)
from api.client.transport import new_key

CHECKING_SECONDS = 600.0
"""How long a server may take to check a study's archive."""
POLL_SECONDS = 0.5


class Studies(Files):
    """Routes under /studies, and /plans."""

    def create_study(self, *, priority: int | None = None, **asked: Unpack[StudyRequest]) -> Study:
        """Ask for many jobs whose results form a table, all of one `priority`."""
        return self.post(Study, "/studies", asked, {"priority": priority})

    def plan_study(self, **asked: Unpack[StudyRequest]) -> PlannedStudy:
        """What a study would ask for and take; nothing is done."""
        return self.post(PlannedStudy, "/studies", asked, {"dry_run": True})

    def studies(self, **filters: Unpack[ListStudiesQuery]) -> Iterator[StudySummary]:
        """All studies, newest first; `limit` is how many are asked for at a time."""
        return self.pages(StudySummary, "/studies", filters)

    def study(self, study: str) -> Study:
        """A study with its jobs."""
        return self.get(Study, f"/studies/{study}")

    def cancel_study(self, study: str | Identified) -> Study:
        """Stop a study: what has finished stays."""
        return self.post(Study, f"/studies/{identity(study)}/cancel")

    def delete_study(self, study: str | Identified) -> Deleted:
        """Delete a study that is over; its jobs and tickets stay."""
        return self.parsed(Deleted, self.send("DELETE", f"/studies/{identity(study)}"))

    def extend_study(self, study: str | Identified, **more: Unpack[ExtensionRequest]) -> Study:
        """Add cells or replicates to a study, finished or not: each list is appended to its own."""
        return self.post(Study, f"/studies/{identity(study)}/extend", more)

    def plan_extension(self, study: str | Identified, **more: Unpack[ExtensionRequest]) -> PlannedExtension:
        """What an extension would ask for beside what the study has; nothing is done."""
        return self.post(PlannedExtension, f"/studies/{identity(study)}/extend", more, {"dry_run": True})

    def resume_study(self, study: str | Identified) -> Study:
        """Ask again for what failed or was cancelled of a study, with what waited for it."""
        return self.post(Study, f"/studies/{identity(study)}/resume")

    def wait_study(
        self,
        study: str | Identified,
        timeout: float | None = None,
        told: Callable[[Study], object] = lambda _: None,
    ) -> Study:
        """A study with nothing left to do; meanwhile `told` is called with it as it is.

        Raises TimeoutError after `timeout` seconds; the study goes on.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            told(seen := self.study(identity(study)))
            if seen.finished_at is not None:
                return seen
            if ends is not None and time.monotonic() >= ends:
                raise TimeoutError(f"study {seen.id} has not ended after {timeout:g} s")
            time.sleep(POLL_SECONDS)

    def table(self, study: str | Identified) -> Table:
        """A study's table, as far as it is filled, and the numbers behind it."""
        return self.get(Table, f"/studies/{identity(study)}/table")

    def table_as(
        self,
        study: str | Identified,
        format: Literal["text", "markdown", "latex", "csv", "html", "json"],  # noqa: A002
    ) -> str:
        """A study's table, written."""
        return self.text(f"/studies/{identity(study)}/table", {"format": format})

    def figures(self, study: str | Identified) -> list[Chart | HeatMap]:
        """A study's figures as data, as far as there is something to draw."""
        return self.get(Figures, f"/studies/{identity(study)}/figures").figures

    def draw(
        self,
        study: str | Identified,
        name: str,
        to: Path | str,
        format: Literal["svg", "png", "json"] = "svg",  # noqa: A002
    ) -> Path:
        """Download a figure, drawn or as data, by the name that `figures` gives it."""
        return self.download(f"/studies/{identity(study)}/figures/{name}", to, {"format": format})

    def study_ledger(self, study: str | Identified) -> StudyLedger:
        """What a study took of the devices, by arm, by kind and by job, and what it was spared."""
        return self.get(StudyLedger, f"/studies/{identity(study)}/ledger")

    def archive(self, study: str | Identified, to: Path | str) -> Path:
        """Download a study with its tickets and digests: enough for others to run it again."""
        return self.download(f"/studies/{identity(study)}/archive", to)

    def import_study(self, archive: Path | str | BinaryIO, *, exact: bool = False) -> Study:
        """Upload a study's archive, read as it is sent: the study that runs it again, and compares."""
        with opened(archive) as content:
            answer = self.send(
                "POST",
                "/studies/import",
                content=content,
                params={"exact": exact},
                headers={"Content-Type": "application/zip", **new_key()},
                timeout=CHECKING_SECONDS,
                rewind=rewinding(content),
            )
        return self.parsed(Study, answer)

    def plan(self, **asked: Unpack[PlanRequest]) -> Plan:
        """What sparse networks would cost, by which method; nothing is done."""
        return self.post(Plan, "/plans", asked)
