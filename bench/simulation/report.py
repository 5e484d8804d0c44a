"""What a simulation found, with what it would cost: kept in bench/results, and shown in docs/scale.md."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from statistics import mean, median, quantiles
from typing import Any

from bench.report import DOCS, RESULTS, replaced, table
from bench.simulation import figure, limits
from bench.simulation.findings import Findings, Sample
from bench.simulation.fleet import Fleet
from bench.simulation.prices import CALM_SECONDS, Asked, asked, asked_by
from bench.simulation.simulation import SAMPLE_SECONDS
from bench.simulation.workload import Workload
from bench.throughput import report as throughput
from core.settings import Settings

KEPT = RESULTS.with_name("simulation.json")
MARKS = ("<!-- scale: written by bench.simulation -->", "<!-- scale: end -->")


def summary(found: Findings, workload: Workload, fleet: Fleet, settings: Settings) -> dict[str, Any]:
    """The figures."""
    whole = found.samples[:-1]
    return {
        "jobs": workload.jobs,
        "gpus": workload.gpus,
        "hosts": fleet.hosts,
        "load": workload.load,
        "seed": workload.seed,
        "hours": round(found.ended_at / 3600, 2),
        "busy_share": round(found.busy_seconds / found.ended_at / workload.gpus, 3),
        "kept_share": round(mean(sample.kept for sample in whole) / workload.gpus, 4),
        "most_kept": max(sample.kept for sample in whole),
        "most_queued": max(sample.queued for sample in found.samples),
        "most_slots": max(sample.busy for sample in found.samples),
        "passed_over_share": round(found.unfair / found.transactions["claim"], 4),
        "gave_way": found.gave_way,
        "fates": dict(sorted(found.fates.items())),
        "refused": found.refused + found.late,
        "lost_share": round(found.lost_seconds / found.busy_seconds, 6),
        "stored_bytes": found.stored_bytes,
        "waits": {
            "priority": _waits((wait.priority, wait.seconds) for wait in found.waits),
            "project": _waits((wait.project, wait.seconds) for wait in found.waits),
            "gpus": _waits((wait.gpus, wait.seconds) for wait in found.waits),
        },
        "heartbeat_seconds": settings.heartbeat_seconds,
        "reconcile_seconds": settings.reconcile_seconds,
        "lease_seconds": settings.lease_seconds,
        "per_second": _rates(found, settings),
        "told_per_second": round(max(sample.told for sample in whole) / SAMPLE_SECONDS, 3),
        "by_queue": _by_queue(whole),
        "by_ended": _by_ended(whole),
        "course": [
            {
                "hours": round(sample.at / 3600, 4),
                "queued": sample.queued,
                "gpus": sample.gpus,
                "kept": sample.kept,
                "ended": round(sample.transactions["succeed"] / SAMPLE_SECONDS, 2),
            }
            for sample in whole
        ],
    }


def _rates(found: Findings, settings: Settings) -> dict[str, dict[str, float]]:
    """How often a second each transaction is committed: on average, and in its busiest minute."""
    always = {
        "look at the outbox": 1 / settings.relay_seconds,
        "expire, none did": 1 / settings.reconcile_seconds,
        "repeat, none was lost": 1 / settings.reconcile_seconds,
    }
    whole = [_done(sample) for sample in found.samples[:-1]]
    total = sum(map(_done, found.samples), Counter())
    done = {
        name: {
            "mean": round(total[name] / found.ended_at, 3),
            "most": round(max(minute[name] for minute in whole) / SAMPLE_SECONDS, 3),
        }
        for name in sorted(total)
    }
    return done | {name: {"mean": rate, "most": rate} for name, rate in always.items()}


def _done(sample: Sample) -> Counter[str]:
    """Transactions; of those that strike announcements out the rows, and those again whose jobs wait for long."""
    new = sum(sample.transactions[name] for name in ("submit", "give_back", "lose"))
    rows = {"announced": sample.told, "announced again": max(0, sample.told - new)}
    return Counter(sample.transactions | Counter(rows))


def _by_queue(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """What looks and claims took of the processor, by how many jobs were queued in the minute in which they were."""
    bounds = [0, *(10**power for power in range(1, 6))]
    bands = [
        (f"{low:,} to {high - 1:,}", [sample for sample in samples if low <= sample.queued < high])
        for low, high in pairwise(bounds)
    ]
    return [{"queued": name} | _taken(band) for name, band in bands if band]


def _by_ended(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The same by how many jobs had ended before, in fifths of all."""
    ended = list(accumulate(sample.transactions["succeed"] for sample in samples))
    fifths: dict[int, list[Sample]] = defaultdict(list)
    for sample, so_far in zip(samples, ended, strict=True):
        fifths[min(4, int(5 * so_far / (ended[-1] + 1)))].append(sample)
    each = ended[-1] / 5
    return [
        {"ended": f"{fifth * each:,.0f} to {(fifth + 1) * each:,.0f}"} | _taken(some)
        for fifth, some in sorted(fifths.items())
    ]


def _taken(samples: Sequence[Sample]) -> dict[str, float | None]:
    """Milliseconds, on average, and of looks the longest; None where there was none."""
    found: dict[str, float | None] = {"minutes": len(samples)}
    for what in ("submit", "claim", "succeed", "look"):
        times = [1000 * seconds for sample in samples for seconds in sample.taken.get(what, ())]
        found[what] = round(mean(times), 2) if times else None
        if what == "look":
            found["longest look"] = round(max(times), 1) if times else None
    return found


def _waits(pairs: Iterable[tuple[Any, float]]) -> dict[str, dict[str, float]]:
    grouped: dict[Any, list[float]] = defaultdict(list)
    for name, seconds in pairs:
        grouped[name].append(seconds)
    return {
        str(name): {
            "jobs": len(values),
            "median": round(median(values), 1),
            "p95": round(quantiles(values, n=20)[-1], 1) if len(values) > 1 else round(values[0], 1),
            "longest": round(max(values), 1),
        }
        for name, values in sorted(grouped.items())
    }


def kept() -> dict[str, Any]:
    """The figures of the latest simulation."""
    found: dict[str, Any] = json.loads(KEPT.read_text())
    return found


def keep(found: dict[str, Any]) -> None:
    """Keep the figures, and write page and figure."""
    KEPT.write_text(json.dumps(found, indent=1) + "\n")
    page = DOCS / "scale.md"
    page.write_text(replaced(page.read_text(), tables(found, throughput.kept()), *MARKS))
    figure.draw(found, DOCS / "figures" / "scale.svg")


def tables(found: dict[str, Any], measured: dict[str, Any]) -> str:
    """What happened, who waited for how long, what it asks of the database, and which limit would be met first."""
    befell = ", ".join(f"{number} times one {fate}" for fate, number in found["fates"].items())
    said = (
        f"At seed {found['seed']} {found['jobs']:,} jobs on {found['gpus']:,} GPUs of {found['hosts']} hosts took"
        f" {found['hours']:.1f} hours. The GPUs were busy for {found['busy_share']:.1%} of the time, at most"
        f" {found['most_queued']:,} jobs waited, and {found['gave_way']:,} times one gave way to a more urgent one."
        f" Of the hosts: {befell}. {found['refused']} writes of slots that had lost their job were refused,"
        f" {found['lost_share']:.3%} of the computing was done again, and every job succeeded once."
    )
    parts = [said, _waiting(found["waits"]), _fairness(found)]
    if "operations" in measured:
        parts.append(_asked(found, measured["operations"]["transactions"]))
    parts.append(_growing(found))
    if "operations" in measured:
        parts.append(limits.shown(found, measured))
    return "\n\n".join(parts)


def _fairness(found: dict[str, Any]) -> str:
    return (
        f"{found['passed_over_share']:.1%} of the claims were of another job than the first in turn, which had no room"
        f" where the claim was. On hosts that are kept for large jobs {found['kept_share']:.1%} of all GPUs idled on"
        f" average, and {found['most_kept']:,} at most."
    )


def _growing(found: dict[str, Any]) -> str:
    head = [
        "request, ms",
        "look for a job, ms",
        "succeed, ms",
        "look of the reconciler, ms",
        "longest look, ms",
    ]
    names = ("submit", "claim", "succeed", "look", "longest look")
    return "\n\n".join(
        table(
            [title, "minutes", *head],
            [
                [
                    line[by],
                    str(line["minutes"]),
                    *("" if line[n] is None else f"{line[n]:.1f}" for n in names),
                ]
                for line in found[f"by_{by if by == 'ended' else 'queue'}"]
            ],
        )
        for by, title in (
            ("queued", "processor time, by jobs that wait"),
            ("ended", "by jobs that have ended"),
        )
    )


def _waiting(waits: dict[str, Any]) -> str:
    rows = [
        [kind, name, f"{line['jobs']:,}", *(f"{line[what]:,.1f}" for what in ("median", "p95", "longest"))]
        for kind, lines in waits.items()
        for name, line in lines.items()
    ]
    head = ["waited, by", "", "jobs", "median, s", "95 % under, s", "longest, s"]
    return table(head, rows)


def _asked(found: dict[str, Any], costs: dict[str, Any]) -> str:
    calm = found["heartbeat_seconds"] / CALM_SECONDS
    rows = [
        [name, f"{rates['mean']:,.2f}", *_asking(asked_by(name, rates["most"], costs))]
        for name, rates in found["per_second"].items()
    ]
    for name, heartbeats in (("all", 1.0), (f"all, with a heartbeat every {CALM_SECONDS:g} s", calm)):
        usual = asked(found, costs, heartbeats, "mean").transactions
        rows.append([f"**{name}**", f"{usual:,.2f}", *_asking(asked(found, costs, heartbeats))])
    head = ["transaction", "a second", "in its busiest minute", "cores of the server then", "log, kB/s then"]
    return table(head, rows)


def _asking(most: Asked) -> list[str]:
    return [f"{most.transactions:,.2f}", f"{most.cores:.3f}", f"{most.log_bytes / 1000:,.0f}"]
