"""What the study routes do, each in one transaction of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import rfc8785
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api import limits
from api.deletion import absent
from api.flaws import flaws as flaws_of
from api.idempotency import Once
from api.jobs.admission import admit
from api.jobs.queueing import asked
from api.problems import INVALID_REQUEST, NOTHING_TO_RESUME, Flaw, Rejected, not_found
from api.studies.reproduction import ReproductionBody
from api.studies.schemas import PlannedExtension, PlannedStudy, StudyBody, StudySummary
from core.catalog import archives, jobs, ledger, studies, study_changes, study_results
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.catalog.foresight import answered
from core.catalog.idempotency import Made
from core.catalog.ledger import StudyCost
from core.catalog.paces import paces
from core.catalog.paging import Cursor
from core.catalog.tables import Study
from core.families import architecture
from core.jobs.specs import ReusableSpec, TransformSpec, parse_spec
from core.jobs.transforms import plan
from core.settings import Settings
from core.studies import comparison
from core.studies.comparison import Row
from core.studies.estimate import estimate
from core.studies.expansion import Expansion
from core.studies.extension import Extension
from core.studies.figures import Figure, figures
from core.studies.nodes import Node
from core.studies.report import Done, filled
from core.studies.spec import StudySpec

ANY_TICKET = "0" * 64


def submit(
    database: Database, settings: Settings, once: Once, spec: StudySpec, priority: int | None = None
) -> tuple[Made, bool]:
    """Check what can be checked of a study's jobs before their tickets exist, and enter it."""
    expansion = expanded(database, spec)

    def create(session: Session) -> Made:
        study = studies.create(session, spec, list(expansion.nodes.values()), priority or 0)
        studies.advance(session, study.id, settings.max_attempts)
        limits.check(session)
        return Made(202, study.id)

    content = rfc8785.dumps(spec.model_dump(mode="json")) + asked(priority)
    return once.make(database, "study", content, create)


def preview(database: Database, settings: Settings, spec: StudySpec) -> PlannedStudy:
    """What a study would ask for, and what that would take; raises what submitting it would raise."""
    expansion = expanded(database, spec)
    with database.read() as session:
        done = answered(session, expansion.nodes)
        known = paces(session, settings.trainer_threads)
    return PlannedStudy.of(expansion, estimate(expansion.nodes, known, done), done)


def expanded(database: Database, spec: StudySpec) -> Expansion:
    """A study's jobs; raises `Rejected` or `Refused` for what is known to be impossible."""
    expansion = Expansion(spec)
    with database.read() as session:
        for node in expansion.nodes.values():
            if not node.needs:
                _check(session, node)
    for key, source in expansion.stretched.items():
        plan(TransformSpec(**{**expansion.nodes[key].body, "tickets": [ANY_TICKET]}), source, architecture)
    return expansion


def _check(session: Session, node: Node) -> None:
    spec = parse_spec({"kind": node.kind, **node.body})
    assert isinstance(spec, ReusableSpec)
    try:
        admit(session, spec)
    except Rejected as refusal:
        # Its pointers are into the job's body, which nobody has written.
        what = f"{node.key}: {refusal.document['detail']}"
        raise Rejected(refusal.kind, what, Flaw(location="body", where="", what=what)) from None


def show(database: Database, study_id: str) -> StudyBody:
    """One study."""
    with database.read() as session:
        study = existing(session, study_id)
        compared = archives.reproduction(session, study)
        body = StudyBody.of(study)
        body.reproduction = ReproductionBody.of(compared) if compared else None
        return body


def page(database: Database, limit: int, after: Cursor | None) -> tuple[list[StudySummary], Cursor | None]:
    """Studies, newest first, and where the next page starts."""
    with database.read() as session:
        found = studies.page(session, limit, after)
        return [StudySummary.of(study) for study in found.rows], found.next


def rows(database: Database, store: ArtifactStore, study_id: str) -> tuple[StudySpec, list[Row]]:
    """The rows of a study's table, as far as they are known, and what it asks."""
    with database.read() as session:
        study = existing(session, study_id)
        return answer(study, study_results.done(session, study, store))


def answer(study: Study, done: Mapping[str, Done]) -> tuple[StudySpec, list[Row]]:
    """The same, of what its jobs came to."""
    expansion = studies.expansion(study)
    spec = expansion.spec
    return spec, comparison.rows(spec, filled(expansion.cells, done, len(spec.seeds)))


def figure(database: Database, store: ArtifactStore, study_id: str, name: str) -> Figure:
    """One of a study's figures; raises `Rejected`."""
    for found in figures(*rows(database, store, study_id)):
        if found.name == name:
            return found
    raise not_found("figure", name)


def accounts(database: Database, study_id: str) -> StudyCost:
    """What a study took of the devices so far."""
    with database.read() as session:
        study = existing(session, study_id)
        return ledger.study(study, studies.expansion(study).cells, jobs.clock(session))


def extend(
    database: Database, settings: Settings, once: Once, study_id: str, more: Extension
) -> tuple[Made, bool]:
    """Add cells and replicates to a study, checked as those of a new one."""
    content = rfc8785.dumps(more.model_dump(mode="json"))
    while True:
        with database.read() as session:
            spec = studies.spec(existing(session, study_id))
            # Read after the study: what an earlier request with this key has added is no mistake of this one.
            made = once.earlier(session, content)
        if made is not None:
            return made, True
        expansion = expanded(database, longer(spec, more))

        def add(session: Session) -> Made:
            study = _locked(session, study_id)
            if studies.spec(study) != spec:  # noqa: B023
                raise _ExtendedMeanwhile
            study_changes.extend(session, study, expansion, settings.max_attempts)  # noqa: B023
            limits.check(session)
            return Made(202, study_id)

        try:
            return once.make(database, "extend", content, add)
        except _ExtendedMeanwhile:
            continue


def preview_extension(database: Database, study_id: str, more: Extension) -> PlannedExtension:
    """What would be asked for beside what a study has; raises what extending it would raise."""
    with database.read() as session:
        study = existing(session, study_id)
        expansion = expanded(database, longer(studies.spec(study), more))
        nodes, gone = study_changes.added(study, expansion), study_changes.gone(study, expansion)
        cells = len(expansion.cells) - len(studies.expansion(study).cells)
    kinds: Counter[str] = Counter(node.kind for node in nodes)
    return PlannedExtension(jobs=dict(kinds), keys=[node.key for node in nodes], cells=cells, gone=gone)


def longer(spec: StudySpec, more: Extension) -> StudySpec:
    """A study's spec with what is added; raises `Rejected` where that is there already or makes no study."""
    if known := list(more.known(spec)):
        flaws = [
            Flaw(location="body", where=f"/{name}/{place}", what=f"{what} is in the study already")
            for name, place, what in known
        ]
        raise _invalid(flaws)
    try:
        return more.over(spec)
    except ValidationError as error:
        raise _invalid(flaws_of({**one, "loc": ("body", *one["loc"])} for one in error.errors())) from None


def _invalid(flaws: list[Flaw]) -> Rejected:
    return Rejected(INVALID_REQUEST, "; ".join(f"{flaw.where}: {flaw.what}" for flaw in flaws), *flaws)


class _ExtendedMeanwhile(Exception):
    """Another request extended the study while this one was checked: look again."""


def cancel(database: Database, once: Once, study_id: str) -> tuple[Made, bool]:
    """Ask for none of the jobs that are left, and stop those that are under way; again, it changes nothing."""

    def ask(session: Session) -> Made:
        study_changes.cancel(session, _locked(session, study_id))
        return Made(202, study_id)

    return once.make(database, "cancel_study", b"", ask)


def resume(database: Database, settings: Settings, once: Once, study_id: str) -> tuple[Made, bool]:
    """Ask again for what did not succeed; raises `Rejected` where that is nothing."""

    def ask(session: Session) -> Made:
        study = _locked(session, study_id)
        if not study_changes.resumable(study):
            under_way = "is under way" if study.finished_at is None else "succeeded"
            raise Rejected(
                NOTHING_TO_RESUME, f"Nothing of the study failed or was cancelled: all of it {under_way}."
            )
        study_changes.resume(session, study, settings.max_attempts)
        limits.check(session)
        return Made(202, study_id)

    return once.make(database, "resume", b"", ask)


def existing(session: Session, study_id: str) -> Study:
    """A study that is there; raises `Rejected`."""
    return _there(session, studies.get(session, study_id), study_id)


def _locked(session: Session, study_id: str) -> Study:
    return _there(session, studies.locked(session, study_id), study_id)


def _there(session: Session, study: Study | None, study_id: str) -> Study:
    if study is None:
        raise absent(session, Study, study_id)
    return study
