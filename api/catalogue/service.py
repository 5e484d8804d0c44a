"""What the catalogue's routes do with posted architectures."""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.catalogue.schemas import ArchitectureBody, FamilyBody
from api.idempotency import Once
from api.problems import INVALID_REQUEST, NOT_FOUND, Flaw, ProblemKind, Rejected
from core.catalog import architectures
from core.catalog.architectures import NameTaken, Size
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.families import FAMILIES, UnknownArchitecture, architecture
from core.families.definition import BadDefinition, Definition
from core.families.posted import parse_name, posted_architecture, posted_member
from core.jobs.datasets import DATASETS

NAME_TAKEN = ProblemKind(
    "name-taken",
    409,
    "The name belongs to another architecture",
    "vit_small on [3, 32, 32], 10 classes is another architecture; choose another name",
)


def families(database: Database, limit: int, after: str | None) -> tuple[list[FamilyBody], str | None]:
    """The built-in families on the first page, then the posted ones by name; where the next page starts."""
    built_in = [FamilyBody.of(family) for family in FAMILIES.values()] if after is None else []
    with database.read() as session:
        names, following = architectures.page(session, limit, after or "")
        sizes = architectures.sizes(session, names)
    posted = [FamilyBody.of_posted(name, [size for size in sizes if size.name == name]) for name in names]
    return [*built_in, *posted], following


def post(database: Database, once: Once, definition: Definition) -> tuple[ArchitectureBody, Made, bool]:
    """Enter a definition; its example, what was made, and whether an earlier request had made it."""
    try:
        network = posted_architecture(definition)
    except BadDefinition as error:
        flaw = Flaw(location="body", where=error.where, what=error.what, accepted=error.accepted)
        raise Rejected(INVALID_REQUEST, str(error), flaw) from None
    except UnknownArchitecture as error:
        flaw = Flaw(location="body", where="", what=str(error))
        raise Rejected(INVALID_REQUEST, str(error), flaw) from None

    def enter(session: Session) -> Made:
        try:
            return Made(201 if architectures.post(session, definition) else 200, network.name)
        except NameTaken as error:
            flaw = Flaw(location="body", where="/name", what="taken", accepted="a name of its own")
            raise Rejected(NAME_TAKEN, str(error), flaw) from None

    made, replayed = once.make(database, "architecture", definition.canonical.encode(), enter)
    return ArchitectureBody.of(network), made, replayed


def show(database: Database, name: str, dataset: str | None, classes: int | None) -> ArchitectureBody:
    """A network for a dataset's input and classes; a posted one also for its own."""
    parsed = parse_name(name)
    with database.read() as session:
        sizes = architectures.sizes(session, [parsed.family]) if parsed else []
        if not sizes:
            return _built_in(name, dataset)
        definition = _chosen(session, sizes, dataset, classes)
    try:
        return ArchitectureBody.of(posted_member(definition, name), dataset)
    except UnknownArchitecture as error:
        raise Rejected(NOT_FOUND, str(error)) from None


def _built_in(name: str, dataset: str | None) -> ArchitectureBody:
    facts = DATASETS.get(dataset or "")
    if facts is None:
        what = "unknown" if dataset else "missing"
        raise _refused("dataset", what, ", ".join(DATASETS))
    try:
        return ArchitectureBody.of(architecture(name, facts.input, facts.classes), dataset)
    except UnknownArchitecture as error:
        raise Rejected(NOT_FOUND, str(error)) from None


def _chosen(session: Session, sizes: list[Size], dataset: str | None, classes: int | None) -> Definition:
    """The one definition of a posted family that fits what was asked for."""
    facts = DATASETS.get(dataset or "")
    if dataset and facts is None:
        raise _refused("dataset", "unknown", ", ".join(DATASETS))
    fitting = [
        size
        for size in sizes
        if (facts is None or (size.input, size.classes) == (facts.input, facts.classes))
        and classes in (None, size.classes)
    ]
    if len(fitting) != 1:
        accepted = "; ".join(f"{list(size.input)}, {size.classes} classes" for size in sizes[:8])
        what = "several are posted" if fitting else "none is posted"
        raise _refused("dataset" if dataset else "classes", f"{what} for this", accepted)
    found = architectures.get(session, fitting[0].name, fitting[0].input, fitting[0].classes)
    assert found is not None, "definitions are never removed"
    return found


def _refused(parameter: str, what: str, accepted: str) -> Rejected:
    flaw = Flaw(location="query", where=parameter, what=what, accepted=accepted)
    return Rejected(INVALID_REQUEST, f"{parameter}: {what}; accepted: {accepted}", flaw)
