"""What the study routes do, each in one transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping

import rfc8785
from sqlalchemy.orm import Session

from api.idempotency import Once
from api.jobs.admission import admit
from api.problems import Flaw, Rejected, not_found
from api.studies.reproduction import ReproductionBody
from api.studies.schemas import PlannedStudy, StudyBody, StudySummary
from core.catalog import archives, jobs, ledger, studies, study_results
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
from core.studies.figures import Figure, figures
from core.studies.nodes import Node
from core.studies.report import Done, filled
from core.studies.spec import StudySpec

ANY_TICKET = "0" * 64


def submit(database: Database, settings: Settings, once: Once, spec: StudySpec) -> tuple[Made, bool]:
    """Check what can be checked of a study's jobs before their tickets exist, and enter it."""
    expansion = expanded(database, spec)

    def create(session: Session) -> Made:
        study = studies.create(session, spec, list(expansion.nodes.values()))
        studies.advance(session, study.id, settings.max_attempts)
        return Made(202, study.id)

    return once.make(database, rfc8785.dumps(spec.model_dump(mode="json")), create)


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


def cancel(database: Database, once: Once, study_id: str) -> tuple[Made, bool]:
    """Ask for none of the jobs that are left, and stop those that are under way; again, it changes nothing."""

    def ask(session: Session) -> Made:
        studies.cancel(session, existing(session, study_id))
        return Made(202, study_id)

    return once.make(database, b"", ask)


def existing(session: Session, study_id: str) -> Study:
    """A study that is there; raises `Rejected`."""
    study = studies.get(session, study_id)
    if study is None:
        raise not_found("study", study_id)
    return study
