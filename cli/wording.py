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
        case "connect":
            ends = " to ".join(f"{end['job'][:8]}:{end['run']}" for end in spec["trainings"])
            return f"{ends}, {spec['points']} points"
        case "import":
            return f"{spec['format'] or 'a file'}, {spec['size']:,} bytes"
        case "export":
            return f"ticket {spec['ticket'][:8]} to {spec['format']}"
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
    lines += [f"  {line}" for line in latencies(job)]
    barrier = job["outputs"].get("barrier")
    if barrier is not None:
        lines.append(f"  error barrier: {100 * barrier:.2f} points")
    return "\n".join(lines)


def results(job: Json) -> Table:
    """Every accuracy that a job measured, and how fast was trained. `best` is selected on the test images."""
    runs = {run["number"]: run for run in job["outputs"]["runs"]}
    rows = []
    for result in job["outputs"]["results"]:
        run = runs.get(result["run"])
        rows.append(
            (
                result["point"] if result.get("alpha") is None else f"α = {result['alpha']:.2f}",
                "-" if result["seed"] is None else str(result["seed"]),
                "-" if run is None or run["level"] is None else str(run["level"]),
                "-" if run is None else f"{100 * run['sparsity']:.2f} %",
                f"{100 * result['accuracy']:.2f} %",
                *_speed(run),
            )
        )
    columns = ("measured", "seed", "level", "sparsity", "accuracy", "images/s", "device s")
    return Table(columns, tuple(rows))


def _speed(run: Json | None) -> tuple[str, str]:
    """A training's rate, and its seconds of a device; none for what another job did or nobody measured."""
    if run is None or run["speed"] is None:
        return "-", "-"
    speed = run["speed"]
    rate = speed["images_per_second"]
    return (
        "-" if rate is None else f"{rate:,.0f}",
        "shared" if run["shared"] else f"{speed['device_seconds']:.1f}",
    )


def latencies(job: Json) -> list[str]:
    """How fast each ticket's network is in each form, and in how many of its layers sparsity pays."""
    rows = []
    for result in job["outputs"]["results"]:
        for at in (result.get("latency") or {"batches": []})["batches"]:
            paying = sum(layer["pays"] for layer in at["layers"])
            for form in at["forms"]:
                time = "none" if form["ms"] is None else f"{form['ms']:.3f} ms"
                faster = "-" if form["form"] == "dense" else "yes" if form["faster"] else "no"
                pays = f"{paying} of {len(at['layers'])}" if form["form"] == "sparse" else "-"
                rows.append((result["ticket"][:8], str(at["batch"]), form["form"], time, faster, pays))
    columns = ("ticket", "batch", "form", "time", "faster", "pays in layers")
    return Table(columns, tuple(rows), words=3).text().splitlines() if rows else []


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


def plan_text(plan: Json) -> str:
    """What a transformation would do to each ticket."""
    return "\n\n".join(_ticket_plan(ticket) for ticket in plan["tickets"])


def _ticket_plan(plan: Json) -> str:
    layers = Table(
        ("tensor", "from", "survivors", "of", "sparsity"),
        tuple(
            (
                layer["tensor"],
                layer["source"] or "drawn afresh",
                f"{layer['survivors']:,}",
                f"{layer['size']:,}",
                f"{100 * layer['sparsity']:.2f} %",
            )
            for layer in plan["layers"]
        ),
        words=2,
    )
    return "\n".join(
        [
            f"ticket {plan['ticket']}: {' → '.join([plan['source']['architecture'], *plan['hops']])}",
            f"  unit map {plan['unit_map'] or 'none: there are no stages'}",
            *(f"  {line}" for line in layers.text().splitlines()),
            f"  before: {_totals(plan['before'])}",
            f"  after:  {_totals(plan['after'])}, rewound to step {plan['rewind_step']}",
            *(f"  note: {warning}" for warning in plan["warnings"]),
        ]
    )


def _totals(totals: Json) -> str:
    return (
        f"{totals['survivors']:,} of {totals['prunable']:,} weights survive"
        f" ({100 * totals['sparsity']:.2f} % pruned)"
    )


def comparison_text(comparison: Json) -> str:
    """How much two tickets agree."""
    rows = [*((row["name"], row) for row in comparison["tensors"]), ("all of these", comparison["total"])]
    table = Table(
        ("tensor", "survivors a", "survivors b", "both", "IoU", "by chance", "cosine", "same sign"),
        tuple(
            (
                name,
                *(f"{row[count]:,}" for count in ("survivors_a", "survivors_b", "both")),
                *(
                    "-" if row[share] is None else f"{row[share]:.4f}"
                    for share in ("iou", "chance", "cosine", "sign_agreement")
                ),
            )
            for name, row in rows
        ),
    )
    apart = {
        "only in a": comparison["only_a"],
        "only in b": comparison["only_b"],
        "of other shapes": comparison["other_shape"],
    }
    return "\n".join(
        [table.text(), *(f"{what}: {', '.join(names)}" for what, names in apart.items() if names)]
    )


def _fraction(job: Json) -> str:
    return f"{100 * job['progress']['fraction']:.0f} %" if job["progress"] else ""


def _count(things: list[Any], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
