"""Studies and what things cost in words, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from api.client.models.jobs import Chart, JobLedger
from api.client.models.studies import (
    Account,
    Deviation,
    HeatMap,
    PlannedExtension,
    PlannedStudy,
    Study,
    StudyLedger,
    StudySummary,
)
from cli.printing import Words
from core.studies.table import Table
from core.studies.words import plural


def study_words(study: Study, server: str) -> Words:
    """A study as it stands; of an imported one, how it compares with its archive."""
    counts = ", ".join(f"{count} {state}" for state, count in study.counts.items())
    lines = [
        f"study {study.id}: {'ended' if study.finished_at else 'under way'}",
        f"  {_asked(study)}",
        f"  {plural(len(study.jobs), 'job')}: {counts}",
        f"  {server}/studies/{study.id}",
    ]
    if study.reproduction is not None:
        lines.append(f"  {study.reproduction.said}")
        lines += [f"  {_difference(one)}" for one in study.reproduction.different]
    return "\n".join(lines)


def studies_table(studies: Sequence[StudySummary]) -> Table:
    """A list of studies."""
    return Table(
        ("study", "asked for", "what", "ended"),
        tuple(
            (
                study.id,
                f"{study.created_at:%Y-%m-%dT%H:%M}",
                _asked(study),
                "yes" if study.finished_at else "no",
            )
            for study in studies
        ),
        words=4,
    )


def _asked(study: Study | StudySummary) -> str:
    spec = study.spec
    name = f"{spec['study']}: " if spec.get("study") else ""
    return (
        f"{name}{', '.join(spec['sources'])} → {', '.join(spec['targets'])} on {', '.join(spec['datasets'])}"
    )


def plan_words(plan: PlannedStudy) -> Words:
    """What a study would ask for, and what that would take."""
    jobs = Table(
        ("job", "trainings", "device time"),
        tuple(
            (job.key, f"{job.trainings:g}", "done before" if job.done else _time(job.device_seconds))
            for job in plan.planned
        ),
    )
    return [
        f"{_jobs(plan)}\n{plan.trainings:g} trainings, {_time(plan.device_seconds)} of a device\n",
        jobs,
        "\n".join(["", *(f"{assumption}." for assumption in plan.assumptions)]),
    ]


def extension_words(plan: PlannedExtension) -> Words:
    """What more of a study would ask for."""
    gone = [f"  instead of {key}" for key in plan.gone]
    return "\n".join([_jobs(plan), *(f"  {key}" for key in plan.keys), *gone])


def _jobs(plan: PlannedStudy | PlannedExtension) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in plan.jobs.items())
    return f"{plural(len(plan.keys), 'job')}: {kinds or 'none'}; {plural(plan.cells, 'row')}"


def _time(seconds: float | None) -> str:
    return "not known" if seconds is None else str(timedelta(seconds=round(seconds)))


def figures_table(figures: Sequence[Chart | HeatMap]) -> Table:
    """What can be drawn."""
    return Table(("figure", "shows"), tuple((one.name, one.title) for one in figures), words=2)


def study_ledger_words(ledger: StudyLedger) -> Words:
    """What a study took, by arm."""
    return _accounts("arm", [*ledger.arms, ledger.total])


def job_ledger_words(ledger: JobLedger) -> Words:
    """What a job took, and its trainings."""
    head = (
        f"{ledger.kind} {ledger.job}: {ledger.device_seconds:,.1f} device seconds on {ledger.devices},"
        f" {ledger.lost_seconds:,.1f} of them lost, {ledger.training_seconds:,.1f} in trainings;"
        f" {ledger.saved_seconds:,.1f} spared"
    )
    rows = tuple(
        (
            str(run.number),
            run.architecture,
            run.dataset,
            str(run.seed),
            "-" if run.level is None else str(run.level),
            f"{run.steps:,}",
            "shared" if run.shared else f"{run.device_seconds:,.1f}",
        )
        for run in ledger.runs
    )
    columns = ("run", "network", "dataset", "seed", "level", "steps", "device s")
    return [head, Table(columns, rows, words=3)] if rows else head


def _accounts(what: str, accounts: Sequence[Account]) -> Table:
    return Table(
        (what, "jobs", "device s", "lost", "spared"),
        tuple(
            (
                one.name,
                str(one.jobs),
                *(f"{value:,.1f}" for value in (one.device_seconds, one.lost_seconds, one.saved_seconds)),
            )
            for one in accounts
        ),
    )


def _difference(one: Deviation) -> str:
    which = one.what if one.number is None else f"{one.what}, number {one.number}"
    return f"{one.key}: {which}: {one.expected} in the archive, {one.got} here"
