"""Posted architectures in the catalog: one definition per name, input and number of classes, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.catalog.database import dialect_insert
from core.catalog.scope import project_of
from core.catalog.tables import PostedArchitecture
from core.families import UnknownArchitecture
from core.families import architecture as built_in
from core.families.architecture import Architecture
from core.families.definition import Definition, read_definition
from core.families.posted import parse_name, posted_architecture, posted_member
from core.tickets.metadata import Describe

Shape = tuple[int, int, int]

MOST_COMPARED = 64


class NameTaken(ValueError):
    """Another definition has this name, input and number of classes."""


@dataclass(frozen=True)
class Size:
    """What a posted name is known for: [C, H, W] and classes, zeros where they mean nothing."""

    name: str
    input: Shape
    classes: int


def post(session: Session, definition: Definition) -> bool:
    """Enter a definition; whether it is new.

    Raises `BadDefinition` or `UnknownArchitecture` for one whose example is no network, and `NameTaken` where another
    one stands in its place.
    """
    posted_architecture(definition)
    key = dict(
        project=project_of(session),
        name=definition.name,
        shape=_text(definition.shape),
        classes=definition.classes or 0,
    )
    content = definition.model_dump(mode="json", exclude_defaults=True)
    insert = dialect_insert(session)(PostedArchitecture).values(**key, definition=content)
    if (
        session.execute(insert.on_conflict_do_nothing().returning(PostedArchitecture.name)).first()
        is not None
    ):
        return True
    if get(session, definition.name, definition.shape, definition.classes or 0) != definition:
        place = f"{definition.name} on {list(definition.shape)}, {definition.classes or 0} classes"
        raise NameTaken(f"{place} is another architecture; choose another name")
    return False


def ensure(session: Session, architecture: Architecture) -> None:
    """Enter the family of an architecture, if it is a posted one; raises as `post` does."""
    if architecture.definition:
        post(session, read_definition(architecture.definition))


def get(session: Session, name: str, input: Shape, classes: int) -> Definition | None:  # noqa: A002
    """The definition of a family by its name, without counts."""
    row = session.get(PostedArchitecture, (project_of(session), name, _text(input), classes))
    return None if row is None else Definition.model_validate(row.definition)


def definitions(session: Session, names: Iterable[str]) -> list[dict[str, Any]]:
    """The posted families among the architectures of these names, for every size that they were posted for."""
    families = [parsed.family for name in names if (parsed := parse_name(name))]
    if not families:
        return []
    table = PostedArchitecture
    query = select(table.definition).where(table.name.in_(families))
    return list(session.scalars(query.order_by(table.name, table.shape, table.classes)))


def comparable(session: Session, name: str | None) -> list[dict[str, Any]]:
    """The posted families that an uploaded network is compared with: the one named, and the latest."""
    named = definitions(session, [name] if name else [])
    latest = select(PostedArchitecture.definition).order_by(PostedArchitecture.created_at.desc())
    return [*named, *session.scalars(latest.limit(MOST_COMPARED))]


def sizes(session: Session, names: Sequence[str]) -> list[Size]:
    """What these names are posted for, in order."""
    table = PostedArchitecture
    query = select(table.name, table.shape, table.classes).where(table.name.in_(names))
    rows = session.execute(query.order_by(table.name, table.shape, table.classes))
    return [Size(name, _shape(shape), classes) for name, shape, classes in rows]


def page(session: Session, limit: int, after: str = "") -> tuple[list[str], str | None]:
    """The posted names that follow `after`, in order, and where the next page starts (None on the last)."""
    name = PostedArchitecture.name
    names = list(session.scalars(select(name).where(name > after).distinct().order_by(name).limit(limit + 1)))
    return names[:limit], names[limit - 1] if len(names) > limit else None


def describer(session: Session) -> Describe:
    """Names architectures, built-in or posted; it raises `UnknownArchitecture`, which says what is accepted."""

    def describe(name: str, input: Shape, classes: int) -> Architecture:  # noqa: A002
        parsed = parse_name(name)
        posted = sizes(session, [parsed.family]) if parsed else []
        if parsed is None or not posted:
            return built_in(name, input, classes)
        definition = get(session, parsed.family, input, classes)
        if definition is None:
            accepted = "; ".join(f"{list(size.input)}, {size.classes} classes" for size in posted[:8])
            raise UnknownArchitecture(
                f"{parsed.family} is not posted for {list(input)}, {classes} classes; accepted: {accepted}"
            )
        return posted_member(definition, name)

    return describe


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _shape(text: str) -> Shape:
    channels, height, width = map(int, text.split("x"))
    return channels, height, width
