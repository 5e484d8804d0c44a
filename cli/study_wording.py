"""Studies in words, for a terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.studies.table import Table

Json = dict[str, Any]


def study_text(study: Json, server: str) -> str:
    """A study as it stands."""
    counts = ", ".join(f"{count} {state}" for state, count in study["counts"].items())
    return "\n".join(
        [
            f"study {study['id']}: {'ended' if study['finished_at'] else 'under way'}",
            f"  {_asked(study)}",
            f"  {_count(study['jobs'], 'job')}: {counts}",
            f"  {server.rstrip('/')}/studies/{study['id']}",
        ]
    )


def studies_table(studies: list[Json]) -> Table:
    """A list of studies."""
    return Table(
        ("study", "asked for", "what", "ended"),
        tuple(
            (study["id"], study["created_at"][:16], _asked(study), "yes" if study["finished_at"] else "no")
            for study in studies
        ),
        words=4,
    )


def _asked(study: Json) -> str:
    spec = study["spec"]
    name = f"{spec['study']}: " if spec.get("study") else ""
    return (
        f"{name}{', '.join(spec['sources'])} → {', '.join(spec['targets'])} on {', '.join(spec['datasets'])}"
    )


def plan_text(plan: Json) -> str:
    """What a study would ask for, and what that would take."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in plan["jobs"].items())
    jobs = Table(
        ("job", "trainings", "device time"),
        tuple(
            (
                job["key"],
                f"{job['trainings']:g}",
                "done before" if job["done"] else _time(job["device_seconds"]),
            )
            for job in plan["planned"]
        ),
    )
    return "\n".join(
        [
            f"{_count(plan['keys'], 'job')}: {kinds}; {plan['cells']} rows",
            f"{plan['trainings']:g} trainings, {_time(plan['device_seconds'])} of a device",
            "",
            jobs.text(),
            "",
            *(f"{assumption}." for assumption in plan["assumptions"]),
        ]
    )


def _time(seconds: float | None) -> str:
    return "not known" if seconds is None else str(timedelta(seconds=round(seconds)))


def comparison_text(study: Json) -> str:
    """How an imported study compares with its archive: a line, and one for each difference."""
    found = study["reproduction"]
    return "\n".join([f"  {found['said']}", *(f"  {_difference(one)}" for one in found["different"])])


def _difference(one: Json) -> str:
    which = one["what"] if one["number"] is None else f"{one['what']}, number {one['number']}"
    return f"{one['key']}: {which}: {one['expected']} in the archive, {one['got']} here"


def _count(things: list[Any], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
