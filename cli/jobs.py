"""The client's commands for jobs and studies that are there: listed, shown, watched, steered."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any, TypeVar

import typer

from api.client import ApiError, Client
from api.client.models.jobs import Job
from api.client.models.studies import Study, StudyLedger
from cli import completion, printing
from cli.options import (
    HERE,
    PAGE,
    PRIORITIES,
    AsJson,
    JobId,
    JobOrStudy,
    Limit,
    Server,
    Wait,
    connected,
    followed,
    made,
)
from cli.studies import study_followed
from cli.study_wording import job_ledger_words, study_ledger_words, study_words
from cli.ticket_wording import ticket_words
from cli.wording import job_words, jobs_table, run_comparison_words, runs_table

TICKET_DIGITS = 64

OfJob = TypeVar("OfJob")
OfStudy = TypeVar("OfStudy")


def jobs(
    state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only jobs of this kind: find, train …")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Only on this dataset.", autocompletion=completion.datasets)
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(help="Only with this architecture.", autocompletion=completion.architectures),
    ] = None,
    query: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Only jobs that all of these words are said of.")
    ] = None,
    order: Annotated[str | None, typer.Option(metavar="newest|oldest", help="Which come first.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """List the newest jobs."""
    filters: Any = {
        "state": state,
        "kind": kind,
        "dataset": dataset,
        "architecture": architecture,
        "q": query,
        "order": order,
        "limit": min(limit, PAGE),
    }
    with connected(server) as client:
        found = client.jobs(**filters)
        printing.show(list(islice(found, limit)), jobs_table, as_json)


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a ticket, a job or a study.")],  # noqa: A002
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Show a ticket, a job or a study."""
    with connected(server) as client:
        if len(id) == TICKET_DIGITS:
            printing.show(client.ticket(id), ticket_words, as_json)
            return
        _shown(client, _either(client.job, client.study, id), as_json)


def watch(id: JobOrStudy, as_json: AsJson = False, server: Server = HERE) -> None:  # noqa: A002
    """Follow a job or a study to its end; exit status 1 unless all of it succeeds."""
    with connected(server) as client:
        found = _either(client.job, client.study, id)
        if isinstance(found, Study):
            study_followed(client, found, as_json)
        else:
            followed(client, found, as_json)


def cancel(id: JobOrStudy, as_json: AsJson = False, server: Server = HERE) -> None:  # noqa: A002
    """Stop a job, or all that is left of a study."""
    with connected(server) as client:
        _shown(client, _either(client.cancel, client.cancel_study, id), as_json)


def retry(
    job: JobId,
    priority: Annotated[int | None, typer.Option(**PRIORITIES, help="Default: as before.")] = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Do a job that failed or was cancelled again."""
    with connected(server) as client:
        made(client, client.retry(job, priority=priority), wait, as_json)


def prioritise(
    job: JobId,
    priority: Annotated[int, typer.Argument(**PRIORITIES, help="The highest is taken first.")],
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Give a job that waits another place in the queue; write a negative N after --."""
    with connected(server) as client:
        _shown(client, client.prioritise(job, priority=priority), as_json)


def log(job: JobId, server: Server = HERE) -> None:
    """Print what a job's attempts wrote."""
    with connected(server) as client:
        typer.echo(client.log(job), nl=False)


def runs(job: JobId, as_json: AsJson = False, server: Server = HERE) -> None:
    """List a job's trainings; as JSON with their metrics per epoch."""
    with connected(server) as client:
        printing.show(list(client.runs(job)), runs_table, as_json)


def compare_runs(
    runs: Annotated[list[str], typer.Argument(metavar="JOB:RUN", help="Trainings, two or more.")],
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Tell in what trainings differ; as JSON with their curves."""
    with connected(server) as client:
        printing.show(client.compare_runs(run=runs), run_comparison_words, as_json)


def ledger(id: JobOrStudy, as_json: AsJson = False, server: Server = HERE) -> None:  # noqa: A002
    """Tell what a job or a study took of the devices, and what it was spared."""
    with connected(server) as client:
        found = _either(client.job_ledger, client.study_ledger, id)
        if isinstance(found, StudyLedger):
            printing.show(found, study_ledger_words, as_json)
        else:
            printing.show(found, job_ledger_words, as_json)


def _either(job: Callable[[str], OfJob], study: Callable[[str], OfStudy], identity: str) -> OfJob | OfStudy:
    """What is asked of a job, or else of a study: ids of both look alike."""
    try:
        return job(identity)
    except ApiError as error:
        if error.kind != "not-found":
            raise
    try:
        return study(identity)
    except ApiError as error:
        if error.kind != "not-found":
            raise
        raise ApiError(f"There is no job and no study {identity!r}.", status=404, kind=error.kind) from None


def _shown(client: Client, found: Job | Study, as_json: bool) -> None:
    if isinstance(found, Study):
        printing.show(found, lambda study: study_words(study, client.server), as_json)
    else:
        printing.show(found, lambda job: job_words(job, client.server), as_json)
