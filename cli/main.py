"""The `elasticket` command."""

from __future__ import annotations

from collections.abc import Callable

import typer

from cli import carrying, catalogue, files, jobs, keeping, operate, studies, study_files, tickets, verbs
from cli.admin import admin
from cli.auditing import audit
from cli.deleting import delete
from cli.demo import demo
from cli.doctor import doctor
from cli.keys import keys
from cli.planning import plan
from cli.rivals import rivals

app = typer.Typer(
    name="elasticket",
    help="""Find a lottery ticket once and carry it to a whole family of networks.

    Exit status: 0 done; 1 failed or refused; 2 not understood; 130 interrupted, what was asked for goes on.
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_PANELS: dict[str, list[Callable[..., None]]] = {
    "Run it": [
        operate.up,
        operate.api,
        operate.worker,
        operate.dispatcher,
        operate.migrate,
        keeping.backup,
        keeping.restore,
        doctor,
        demo,
    ],
    "Find, carry, train": [verbs.find, carrying.transform, verbs.train, verbs.evaluate, verbs.connect],
    "Tickets": [
        files.push,
        files.pull,
        files.mask,
        tickets.tickets,
        tickets.layers,
        tickets.lineage,
        tickets.results,
        tickets.anatomy,
        tickets.compare,
    ],
    "Studies": [
        studies.study,
        rivals,
        plan,
        studies.studies,
        studies.extend,
        studies.resume,
        study_files.table,
        study_files.figures,
        study_files.archive,
        study_files.reproduce,
    ],
    "What is under way": [
        jobs.jobs,
        jobs.show,
        jobs.watch,
        jobs.log,
        jobs.runs,
        jobs.ledger,
        jobs.compare_runs,
        jobs.cancel,
        jobs.prioritise,
        jobs.retry,
    ],
    "What it can do": [
        catalogue.datasets,
        catalogue.methods,
        catalogue.fleet,
        catalogue.metrics,
        catalogue.health,
    ],
}

for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(catalogue.architectures, name="architectures", rich_help_panel="What it can do")
app.add_typer(delete, name="delete", rich_help_panel="What is under way")
app.command(rich_help_panel="Who may use it")(audit)
app.add_typer(keys, name="keys", rich_help_panel="Who may use it")
app.add_typer(admin, name="admin", rich_help_panel="Who may use it")


if __name__ == "__main__":
    app()
