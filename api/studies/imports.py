"""A study's archive, taken in: checked in all it says, its tickets registered, its study entered to be run again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError
from sqlalchemy.orm import Session

from api import limits
from api.idempotency import Once
from api.problems import Flaw, ProblemKind, Rejected
from api.studies import service
from api.tickets.upload import Upload
from core.catalog import studies, tickets
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.catalog.tickets import Figures
from core.interchange.studies import BadArchive, OpenedStudy, open_study
from core.settings import Settings
from core.studies.archive import STUDY, StudyArchive
from core.studies.expansion import Expansion
from core.studies.reproduction import expected
from core.studies.spec import StudySpec

INVALID_ARCHIVE = ProblemKind(
    "invalid-archive",
    422,
    "The file is not a study's archive",
    "the file is missing at study.json; accepted: an archive with a study.json",
    {"where": "study.json", "accepted": "an archive with a study.json"},
)


@dataclass(frozen=True)
class _New:
    """A ticket that is not here yet: what is entered of it, and where its file lies."""

    figures: Figures
    path: Path


def enter(
    database: Database, settings: Settings, store: ArtifactStore, once: Once, upload: Upload, exact: bool
) -> tuple[Made, bool]:
    """Check a received archive, and enter its study to be run again; raises `Rejected` or `Refused`.

    Nothing is entered before all of it is checked, and then everything at once.
    """
    content = json.dumps([upload.staged.digest, exact]).encode()
    with database.read() as session:
        earlier = once.earlier(session, content)
    if earlier is not None:
        return earlier, True
    settings.scratch_directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.scratch_directory) as scratch:
        try:
            opened = open_study(upload.staged.path, Path(scratch), settings.max_upload_bytes)
            expansion = _expanded(database, opened.archive, exact)
            new = _new(database, opened)
        except BadArchive as problem:
            raise _rejected(problem) from None
        files = {identity: _stored(store, ticket.path) for identity, ticket in new.items()}

    def create(session: Session) -> Made:
        for identity, ticket in new.items():
            tickets.enter(session, identity, ticket.figures, files[identity])
        figures = [ticket.figures for ticket in new.values()]
        limits.grew(session, sum(one.header_bytes + one.payload_bytes for one in figures))
        study = studies.create(session, expansion.spec, list(expansion.nodes.values()))
        study.archive = expected(opened.archive).model_dump(mode="json")
        studies.advance(session, study.id, settings.max_attempts)
        limits.check(session)
        return Made(202, study.id)

    return once.make(database, "archive", content, create)


def _expanded(database: Database, archive: StudyArchive, exact: bool) -> Expansion:
    """The archive's study, as this installation would run it."""
    try:
        spec = StudySpec.model_validate(archive.spec | ({"exact": True} if exact else {}))
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        where = "".join(f"/{part}" for part in ("spec", *first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise BadArchive(what, f"{STUDY}, {where}", "a study as POST /studies takes it") from None
    expansion = service.expanded(database, spec)
    for n, job in enumerate(archive.jobs):
        if job.key not in expansion.nodes:
            version = archive.versions.elasticket
            raise BadArchive(
                f"{job.key!r} is no job of this study here, but was in version {version}",
                f"{STUDY}, /jobs/{n}/key",
                "an archive of a version that divides the study into the same jobs",
            )
    return expansion


def _new(database: Database, opened: OpenedStudy) -> Mapping[str, _New]:
    """The tickets that are not here yet; all are checked."""
    with database.read() as session:
        known = {identity for identity in opened.paths if tickets.get(session, identity) is not None}
    return {
        identity: _New(Figures.of(file), opened.paths[identity])
        for identity, file in opened.tickets()
        if identity not in known
    }


def _stored(store: ArtifactStore, path: Path) -> str:
    with path.open("rb") as source, store.stage() as staged:
        shutil.copyfileobj(source, staged, 1 << 20)
        return staged.commit()


def _rejected(problem: BadArchive) -> Rejected:
    flaw = Flaw(location="file", where=problem.where, what=problem.what, accepted=problem.accepted)
    return Rejected(INVALID_ARCHIVE, str(problem), flaw, where=problem.where, accepted=problem.accepted)
