"""The client's commands for API keys, which need one of scope admin."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from api.client.models.keys import Key, NewKey
from cli.options import HERE, AsJson, Server, connected
from cli.printing import show
from core.studies.table import Table

keys = typer.Typer(help="API keys of your project: listed, made, revoked.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the key is for.")]
Scope = Annotated[
    Literal["read", "write", "admin"],
    typer.Option(help="read looks; write also asks for jobs; admin also makes keys."),
]
Days = Annotated[
    int | None, typer.Option(min=1, max=3650, help="How long it is good.", show_default="until it is revoked")
]


@keys.command("list")
def list_keys(as_json: AsJson = False, server: Server = HERE) -> None:
    """List the keys, those that are no longer good included."""
    with connected(server) as client:
        show(list(client.keys()), key_table, as_json)


@keys.command("make")
def make_key(
    name: Name, scope: Scope = "read", days: Days = None, as_json: AsJson = False, server: Server = HERE
) -> None:
    """Make a key. It is shown once: nothing keeps it."""
    with connected(server) as client:
        show(client.make_key(name=name, scope=scope, days=days), new_key_words, as_json)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A key's id.")],
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Have a key let nobody in any more, nor the browsers that were signed in with it."""
    with connected(server) as client:
        show(client.revoke_key(key), lambda body: f"key {body.id} ({body.name}) is revoked", as_json)


def key_table(found: list[Key]) -> Table:
    """A row for each."""
    rows = tuple((one.id, one.name, one.scope, _until(one), _day(one.last_used_at)) for one in found)
    return Table(("key", "name", "scope", "good", "last used"), rows, words=5)


def new_key_words(made: NewKey) -> str:
    """The key; where the answer that showed it was lost, and asked for again, it is gone."""
    if made.key is None:
        return f"key {made.id} ({made.name}) was made, but the answer that showed it was lost: revoke it, make another"
    return f"key {made.id} ({made.name}), scope {made.scope}, is shown this once:\n{made.key}"


def _until(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "until revoked" if key.expires_at is None else f"to {_day(key.expires_at)}"


def _day(at: object) -> str:
    return "-" if at is None else str(at)[:10]
