"""A progress bar that follows a job to its end."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from api.client import Client
from api.client.models.jobs import Job
from cli.wording import task


def follow(client: Client, job: Job, console: Console) -> Job:
    """Show a job's progress until it has ended; the job as it then is."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("[dim]{task.fields[now]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"{job.kind} {task(job)}", total=None, left="", now=job.state)
        for event in client.events(job):
            data = event.data
            match event.kind:
                case "state":
                    progress.update(bar, now=data["state"], left="")
                case "progress":
                    progress.update(
                        bar, completed=data["done"], total=data["total"], left=_left(data.get("eta_seconds"))
                    )
                case "epoch":
                    accuracy = 100 * data["correct"] / data["total"]
                    progress.update(bar, now=f"{data['training']}: epoch {data['epoch']}, {accuracy:.2f} %")
    return client.job(job.id)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"
