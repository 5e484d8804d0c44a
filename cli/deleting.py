"""The client's commands that delete: a ticket, a job, a study."""

from __future__ import annotations

import typer

from api.client.models.jobs import Deleted
from cli.options import HERE, AsJson, JobId, Server, StudyId, Ticket, connected
from cli.printing import show

delete = typer.Typer(
    help="Delete a ticket, a job or a study for good; what needs it must go first.", no_args_is_help=True
)


@delete.command("ticket")
def delete_ticket(ticket: Ticket, as_json: AsJson = False, server: Server = HERE) -> None:
    """Delete a ticket and its files. Where it came from and what was made of it is still told."""
    with connected(server) as client:
        show(client.delete_ticket(ticket), _words, as_json)


@delete.command("job")
def delete_job(job: JobId, as_json: AsJson = False, server: Server = HERE) -> None:
    """Delete a job that is over, with its log, results and weights. The tickets that it made stay."""
    with connected(server) as client:
        show(client.delete_job(job), _words, as_json)


@delete.command("study")
def delete_study(study: StudyId, as_json: AsJson = False, server: Server = HERE) -> None:
    """Delete a study that is over. Its jobs and tickets stay, and can be deleted then."""
    with connected(server) as client:
        show(client.delete_study(study), _words, as_json)


def _words(deleted: Deleted) -> str:
    return f"{deleted.id} is deleted"
