"""Jobs in words, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from api.client.models.jobs import (
    Job,
    JobSummary,
    Run,
    RunComparison,
    RunSummary,
    TicketPlan,
    Totals,
    TransformPlan,
)
from cli.printing import Words
from core.studies.table import Table
from core.studies.words import plural


def task(job: Job | JobSummary) -> str:
    """What a job is to do, in a few words."""
    spec = job.spec
    seeds = plural(len(spec.get("seeds") or [0]), "seed")
    match job.kind:
        case "find":
            return f"{spec['method']} on {spec['architecture']}, {spec['dataset']}, {seeds}"
        case "transform":
            return f"{plural(len(spec['tickets']), 'ticket')} to {spec['architecture']}"
        case "train" if spec.get("architecture"):
            return f"dense {spec['architecture']} on {spec['dataset']}, {seeds}"
        case "evaluate" if spec.get("job"):
            return f"what {spec['job'][:8]} trained, on {spec['dataset']}"
        case "connect":
            ends = " to ".join(f"{end['job'][:8]}:{end['run']}" for end in spec["trainings"])
            return f"{ends}, {spec['points']} points"
        case "import":
            return f"{spec.get('format') or 'a file'}, {spec['size']:,} bytes"
        case "export":
            return f"ticket {spec['ticket'][:8]} to {spec['format']}"
        case _:
            return f"{plural(len(spec['tickets']), 'ticket')} on {spec['dataset']}"


def job_words(job: Job, server: str) -> Words:
    """A job as it stands, and what it has produced."""
    lines = [
        f"{job.kind} {job.id}: {job.state}",
        f"  {task(job)}",
        f"  {server}/jobs/{job.id}",
    ]
    if job.error:
        lines.append(f"  {job.error['message']}")
    lines += [f"  ticket {identity}" for identity in job.outputs.tickets]
    if job.outputs.barrier is not None:
        lines.append(f"  error barrier: {100 * job.outputs.barrier:.2f} points")
    return ["\n".join(lines), *(table for table in (results(job), latencies(job)) if table.rows)]


def results(job: Job) -> Table:
    """Every accuracy that a job measured, and how fast was trained. `best` is selected on the test images."""
    runs = {run.number: run for run in job.outputs.runs}
    rows = []
    for result in job.outputs.results:
        run = None if result.run is None else runs.get(result.run)
        rows.append(
            (
                result.point if result.alpha is None else f"α = {result.alpha:.2f}",
                "-" if result.seed is None else str(result.seed),
                "-" if run is None or run.level is None else str(run.level),
                "-" if run is None else f"{100 * run.sparsity:.2f} %",
                f"{100 * result.accuracy:.2f} %",
                *_speed(run),
            )
        )
    columns = ("measured", "seed", "level", "sparsity", "accuracy", "images/s", "device s")
    return Table(columns, tuple(rows))


def _speed(run: Run | RunSummary | None) -> tuple[str, str]:
    """A training's rate, and its seconds of a device; none for what another job did or nobody measured."""
    if run is None or run.speed is None:
        return "-", "-"
    rate = run.speed.images_per_second
    return (
        "-" if rate is None else f"{rate:,.0f}",
        "shared" if run.shared else f"{run.speed.device_seconds:.1f}",
    )


def latencies(job: Job) -> Table:
    """How fast each ticket's network is in each form, and in how many of its layers sparsity pays."""
    rows = []
    for result in job.outputs.results:
        for at in result.latency.batches if result.latency else []:
            paying = sum(layer.pays for layer in at.layers)
            for form in at.forms:
                time = "none" if form.ms is None else f"{form.ms:.3f} ms"
                faster = "-" if form.form == "dense" else "yes" if form.faster else "no"
                pays = f"{paying} of {len(at.layers)}" if form.form == "sparse" else "-"
                rows.append(((result.ticket or "")[:8], str(at.batch), form.form, time, faster, pays))
    return Table(("ticket", "batch", "form", "time", "faster", "pays in layers"), tuple(rows), words=3)


def jobs_table(jobs: Sequence[JobSummary]) -> Table:
    """A list of jobs."""
    return Table(
        ("job", "kind", "state", "task", "done"),
        tuple((job.id, job.kind, job.state, task(job), _fraction(job)) for job in jobs),
        words=4,
    )


def runs_table(runs: Sequence[Run]) -> Table:
    """A job's trainings, each with the end of its history."""
    rows = []
    for run in runs:
        level = "-" if run.level is None else str(run.level)
        who = (str(run.number), run.architecture, run.dataset, str(run.seed), level)
        rows.append((*who, f"{100 * run.sparsity:.2f} %", f"{run.steps:,}", *_speed(run)))
    columns = ("run", "network", "dataset", "seed", "level", "sparsity", "steps", "images/s", "device s")
    return Table(columns, tuple(rows), words=3)


def run_comparison_words(found: RunComparison) -> Words:
    """What differs between trainings, a column for each."""
    names = tuple(run.name for run in found.runs)
    accuracy = tuple("-" if run.accuracy is None else f"{100 * run.accuracy:.2f} %" for run in found.runs)
    rows = [(one.field, *map(str, one.values)) for one in found.differing]
    return Table(("", *names), (("accuracy", *accuracy), *rows))


def plan_words(plan: TransformPlan) -> Words:
    """What a transformation would do to each ticket."""
    return [block for ticket in plan.tickets for block in _ticket_plan(ticket)]


def _ticket_plan(plan: TicketPlan) -> list[str | Table]:
    layers = Table(
        ("tensor", "from", "survivors", "of", "sparsity"),
        tuple(
            (
                layer.tensor,
                layer.source or "drawn afresh",
                f"{layer.survivors:,}",
                f"{layer.size:,}",
                f"{100 * layer.sparsity:.2f} %",
            )
            for layer in plan.layers
        ),
        words=2,
    )
    head = [
        f"ticket {plan.ticket}: {' → '.join([plan.source.architecture, *plan.hops])}",
        f"  unit map {plan.unit_map or 'none: there are no stages'}",
    ]
    foot = [
        f"  before: {_totals(plan.before)}",
        f"  after:  {_totals(plan.after)}, rewound to step {plan.rewind_step}",
        *(f"  note: {warning}" for warning in plan.warnings),
    ]
    return ["\n".join(head), layers, "\n".join(foot)]


def _totals(totals: Totals) -> str:
    return (
        f"{totals.survivors:,} of {totals.prunable:,} weights survive ({100 * totals.sparsity:.2f} % pruned)"
    )


def _fraction(job: JobSummary) -> str:
    return f"{100 * job.progress.fraction:.0f} %" if job.progress else ""
