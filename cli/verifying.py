"""`elasticket doctor --verify`: every artifact and the history are read; what is wrong is told, and mended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.keeping import progress

if TYPE_CHECKING:
    from core.catalog.history import Violation
    from core.catalog.verification import Verdict
    from core.settings import Settings

SHOWN = 20
"""Names listed of what does no harm; --json has all."""


def verified(settings: Settings, mend: bool, sources: Sequence[Path], as_json: bool) -> bool:
    """Look at every artifact, mend what can be if asked to, and say it all; whether all is well in the end.

    What the database says happened is looked at as well: it may contradict itself, which nothing can mend.
    """
    from core.catalog.artifacts import LocalStore
    from core.catalog.backup import ARTIFACTS, closing_database
    from core.catalog.history import violations
    from core.catalog.stores import store_of
    from core.catalog.verification import repair, verify

    store = store_of(settings)
    broken: list[Violation] = []
    done: list[str] = []
    with closing_database(settings.database) as database:
        with progress("verify") as tell:
            verdict = verify(database, store, tell)
        if mend:
            folders = [folder / ARTIFACTS if (folder / ARTIFACTS).is_dir() else folder for folder in sources]
            done = repair(database, store, verdict, [LocalStore(folder) for folder in folders])
            with progress("verify again") as tell:
                verdict = verify(database, store, tell)
        with database.everywhere().read() as session:
            broken = list(violations(session))
    if as_json:
        told = {"repaired": done, "violations": [asdict(one) for one in broken]}
        typer.echo(json.dumps({**verdict.as_json(), **told}, indent=1))
    else:
        _tell(verdict, done)
        for one in broken:
            typer.echo(f"{one.subject}  breaks a promise: {one.promise}; {one.what}")
    return not verdict.faults and not broken


def _tell(verdict: Verdict, done: Sequence[str]) -> None:
    for words in done:
        typer.echo(f"repaired  {words}")
    for fault in verdict.faults:
        typer.echo(f"{fault.digest}  {fault.fault}")
        for whose in fault.needed_by:
            typer.echo(f"  needed by {whose}")
    for what, names in (("named by nothing", verdict.orphans), ("never finished", verdict.unfinished)):
        for name in names[:SHOWN]:
            typer.echo(f"{name}  {what}")
        if len(names) > SHOWN:
            typer.echo(f"… and {len(names) - SHOWN} more that are {what}")
    whole = verdict.checked - len(verdict.faults)
    typer.echo(f"{whole} of {verdict.checked} artifacts are whole; {verdict.bytes / 2**20:.1f} MiB read")
