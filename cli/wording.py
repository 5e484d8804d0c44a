"""Jobs and tickets in words, for a terminal."""

from __future__ import annotations

from typing import Any

from core.studies.table import Table

Json = dict[str, Any]


def task(job: Json) -> str:
    """What a job is to do, in a few words."""
    spec = job["spec"]
    match job["kind"]:
        case "find":
            return f"{spec['method']} on {spec['architecture']}, {spec['dataset']}, {_count(spec['seeds'], 'seed')}"
        case "transform":
            return f"{_count(spec['tickets'], 'ticket')} to {spec['architecture']}"
        case "train" if spec["architecture"]:
            return (
                f"dense {spec['architecture']} on {spec['dataset']}, {_count(spec['seeds'] or [0], 'seed')}"
            )
        case "evaluate" if spec["job"]:
            return f"what {spec['job'][:8]} trained, on {spec['dataset']}"
        case _:
            return f"{_count(spec['tickets'], 'ticket')} on {spec['dataset']}"


def job_text(job: Json, server: str) -> str:
    """A job as it stands, and what it has produced."""
    lines = [
        f"{job['kind']} {job['id']}: {job['state']}",
        f"  {task(job)}",
        f"  {server.rstrip('/')}/jobs/{job['id']}",
    ]
    if job["error"]:
        lines.append(f"  {job['error']['message']}")
    lines += [f"  ticket {identity}" for identity in job["outputs"]["tickets"]]
    if job["outputs"]["results"]:
        lines += [f"  {line}" for line in results(job).text().splitlines()]
    return "\n".join(lines)


def results(job: Json) -> Table:
    """Every accuracy that a job measured. `best` is selected on the test images."""
    runs = {run["number"]: run for run in job["outputs"]["runs"]}
    rows = []
    for result in job["outputs"]["results"]:
        run = runs.get(result["run"])
        rows.append(
            (
                result["point"],
                "-" if result["seed"] is None else str(result["seed"]),
                "-" if run is None or run["level"] is None else str(run["level"]),
                "-" if run is None else f"{100 * run['sparsity']:.2f} %",
                f"{100 * result['accuracy']:.2f} %",
            )
        )
    return Table(("measured", "seed", "level", "sparsity", "accuracy"), tuple(rows))


def jobs_table(jobs: list[Json]) -> Table:
    """A list of jobs."""
    return Table(
        ("job", "kind", "state", "task", "done"),
        tuple((job["id"], job["kind"], job["state"], task(job), _fraction(job)) for job in jobs),
        words=4,
    )


def ticket_text(ticket: Json) -> str:
    """A ticket's figures."""
    return (
        f"ticket {ticket['id']}\n"
        f"  {ticket['architecture']}: {ticket['survivors']:,} of {ticket['prunable']:,} weights survive"
        f" ({100 * ticket['sparsity']:.2f} % pruned), rewound to step {ticket['rewind_step']}"
    )


def _fraction(job: Json) -> str:
    return f"{100 * job['progress']['fraction']:.0f} %" if job["progress"] else ""


def _count(things: list[Any], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
