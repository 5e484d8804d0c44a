"""A study as the command line says it: by name or file, with fields that differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from cli.options import pairs

_LISTS = ("datasets", "found_on", "sources", "targets", "levels", "orders", "seeds")


def changed(asked: dict[str, Any], changes: list[str] | None) -> dict[str, Any]:
    """A study with fields replaced that FIELD=VALUE words name."""
    for field, value in pairs(changes).items():
        _replace(asked, field, value)
    return asked


def read(name: str) -> dict[str, Any]:
    """A study by name, or what a file says of one."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml", ".json"):
        return {"study": name}
    from core.studies.yaml import loads

    try:
        content = path.read_bytes()
        given = json.loads(content) if path.suffix == ".json" else loads(content)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="NAME|FILE") from None
    if not isinstance(given, dict):
        raise typer.BadParameter(f"{path} is no mapping of a study's fields", param_hint="NAME|FILE")
    return given


def _replace(asked: dict[str, Any], field: str, text: str) -> None:
    """Set a field, or with dots one of the fields below it."""
    *above, last = field.split(".")
    for name in above:
        asked[name] = dict(asked.get(name) or {})
        asked = asked[name]
    asked[last] = _value(text, listed=not above and last in _LISTS)


def _value(text: str, *, listed: bool) -> Any:
    """What reads as JSON is that, any other text is text; of a list, each part."""
    try:
        given = json.loads(text)
    except ValueError:
        return [_value(part, listed=False) for part in text.split(",") if part] if listed else text
    return [given] if listed and not isinstance(given, list) else given
