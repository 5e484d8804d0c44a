"""The `elasticket` command."""

from __future__ import annotations

from collections.abc import Callable

import typer

from cli import carrying, files, operate, verbs
from cli.demo import demo
from cli.doctor import doctor
from cli.planning import plan
from cli.rivals import rivals
from cli.studies import archive, reproduce, studies, study, table

app = typer.Typer(
    name="elasticket",
    help="Find a lottery ticket once and carry it to a whole family of networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_PANELS: dict[str, list[Callable[..., None]]] = {
    "Run it": [operate.up, operate.api, operate.worker, operate.migrate, doctor, demo],
    "Use it": [
        files.push,
        files.pull,
        files.compare,
        verbs.find,
        carrying.transform,
        verbs.train,
        verbs.evaluate,
        verbs.connect,
        rivals,
        study,
        studies,
        table,
        archive,
        reproduce,
        plan,
        verbs.jobs,
        verbs.watch,
        verbs.cancel,
        verbs.prioritise,
        verbs.retry,
    ],
}

for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(files.architectures, name="architectures", rich_help_panel="Use it")


if __name__ == "__main__":
    app()
