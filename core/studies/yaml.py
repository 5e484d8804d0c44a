"""YAML that says what JSON could: no aliases, no tags, no key twice, nothing that two readers take for two things."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

DEEPEST = 32
LONGEST_NUMBER = 400
ACCEPTED = "YAML (RFC 9512) of mappings, lists, text, numbers, true, false and null"

_INTEGER = re.compile(r"[-+]?[0-9]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# libyaml's parser is ten times as fast; wheels of PyYAML have it.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class BadYaml(ValueError):
    """Text that is no such YAML: what is wrong, in which line and column (from 1), and what would be accepted."""

    def __init__(self, what: str, line: int, column: int, accepted: str = ACCEPTED) -> None:
        super().__init__(f"line {line}, column {column}: {what}; accepted: {accepted}")
        self.what = what
        self.line = line
        self.column = column
        self.accepted = accepted


def loads(content: bytes) -> Any:
    """The one document in UTF-8 bytes, as `json.loads` would have it; raises `BadYaml`.

    Plain scalars are resolved by the core schema of YAML 1.2 (section 10.3.2) without octal and hexadecimal: `no` and
    2026-01-01 are text, 1e-3 is a number.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        raise BadYaml("not UTF-8", *_position(before, len(before)), "text in UTF-8") from None
    try:
        return _document(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise _told(error, text) from None
    except yaml.reader.ReaderError as error:
        where = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
        at = where.start() if where else error.position
        raise BadYaml("a control character", *_position(text, at)) from None


def _told(error: yaml.MarkedYAMLError, text: str) -> BadYaml:
    mark = error.problem_mark or error.context_mark
    assert mark is not None, "the parser says where"
    at = (mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        return BadYaml("a tab that indents", *at, "spaces")
    return BadYaml(", ".join(part for part in (error.context, error.problem) if part), *at)


def _position(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


def _document(events: Iterator[Event]) -> Any:
    found = None
    for number, event in enumerate(_until(events, StreamEndEvent, NodeEvent)):
        if number:
            raise _bad(event, "a second document", "one document")
        found = _value(event, events, 0)
    return found


def _until(events: Iterator[Event], end: type[Event], kind: type[Event] = Event) -> Iterator[Any]:
    """The events of a kind before `end`; whoever is given one takes all that belongs to it from `events`."""
    for event in events:
        if isinstance(event, end):
            return
        if isinstance(event, kind):
            yield event


def _value(event: Any, events: Iterator[Event], depth: int) -> Any:
    if event.anchor is not None:
        raise _bad(event, "an anchor or an alias", "each value where it is used")
    if event.tag is not None:
        raise _bad(event, f"the tag {event.tag[:64]!a}", "values without tags")
    if depth > DEEPEST:
        raise _bad(event, "nested too deeply", f"at most {DEEPEST} levels")
    match event:
        case ScalarEvent():
            return _scalar(event)
        case SequenceStartEvent():
            return [_value(item, events, depth + 1) for item in _until(events, SequenceEndEvent)]
        case _:
            return _mapping(events, depth)


def _mapping(events: Iterator[Event], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in _until(events, MappingEndEvent):
        key = _value(event, events, depth + 1)
        if not isinstance(key, str):
            raise _bad(
                event, "a key that is no text", "text, in quotes where it would be read as something else"
            )
        if key in found:
            raise _bad(event, f"{key[:64]!a} again", "each key once")
        found[key] = _value(next(events), events, depth + 1)
    return found


def _scalar(event: ScalarEvent) -> Any:
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        raise _bad(event, text, "a finite number")
    if not _REAL.fullmatch(text):
        return text
    if len(text) > LONGEST_NUMBER:
        raise _bad(event, "a number of too many digits", f"at most {LONGEST_NUMBER} characters")
    if _INTEGER.fullmatch(text):
        return int(text)
    if math.isfinite(number := float(text)):
        return number
    raise _bad(event, f"{text[:64]}, which is infinite", "a finite number")


def _bad(event: Any, what: str, accepted: str) -> BadYaml:
    return BadYaml(what, event.start_mark.line + 1, event.start_mark.column + 1, accepted)
