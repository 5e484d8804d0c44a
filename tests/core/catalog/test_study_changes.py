"""What is done to a study as a whole; its jobs are done at once and come to made-up figures."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from core.catalog import attempts, claims, jobs, studies, study_changes
from core.catalog.database import Database
from core.catalog.tables import Job, Study, StudyJob
from core.jobs.specs import parse_spec
from core.jobs.states import State
from core.studies.expansion import Expansion
from core.studies.extension import Extension

if TYPE_CHECKING:
    from tests.core.catalog.conftest import Crew

Enter = Callable[..., str]
FIND = "digits/mlp_2/10/IMP/find/seeds 0,1"
DENSE = "digits/mlp_3/dense/train/seeds 0,1"


class Life:
    """What may happen to a study."""

    def __init__(self, database: Database, crew: "Crew") -> None:
        self._database = database
        self._crew = crew

    def advance(self, study_id: str) -> None:
        with self._database.write() as session:
            studies.advance(session, study_id, 3)

    def cancel(self, study_id: str) -> None:
        with self._database.write() as session:
            study_changes.cancel(session, self._locked(session, study_id))

    def resume(self, study_id: str) -> None:
        with self._database.write() as session:
            study = self._locked(session, study_id)
            if study_changes.resumable(study):
                study_changes.resume(session, study, 3)

    def extend(self, study_id: str, **more: list[Any]) -> None:
        with self._database.write() as session:
            study = self._locked(session, study_id)
            longer = Extension.model_validate(more).over(studies.spec(study))
            study_changes.extend(session, study, Expansion(longer), 3)

    def finish(self, study_id: str) -> None:
        """Have all of it done."""
        while True:
            self.advance(study_id)
            if not self._crew.work():
                return

    def retry(self, job_id: str) -> str:
        """Retry a job by itself."""
        with self._database.write() as session:
            job = session.get_one(Job, job_id)
            made = jobs.create(session, parse_spec(job.spec), 3, retry_of=job_id, digest=job.digest)
            study_changes.take_up(session, job_id, made.id)
            return made.id

    def states(self, study_id: str) -> dict[str, str]:
        with self._database.read() as session:
            return studies.standings(session.get_one(Study, study_id))

    def over(self, study_id: str) -> bool:
        with self._database.read() as session:
            return session.get_one(Study, study_id).finished_at is not None

    def jobs(self, study_id: str) -> dict[str, str | None]:
        """The job of each row."""
        with self._database.read() as session:
            rows = session.scalars(select(StudyJob).where(StudyJob.study_id == study_id))
            return {row.key: row.job_id for row in rows}

    def rows(self, study_id: str) -> list[tuple[str, str, Any]]:
        """The rows in order, as they were entered."""
        with self._database.read() as session:
            study = session.get_one(Study, study_id)
            assert [row.position for row in study.jobs] == list(range(len(study.jobs)))
            return [(row.key, row.kind, row.body) for row in study.jobs]

    def job(self, job_id: str | None) -> Job:
        assert job_id is not None
        with self._database.read() as session:
            return session.get_one(Job, job_id)

    def count(self) -> int:
        """Of all jobs there are."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(Job)) or 0

    @staticmethod
    def _locked(session: Any, study_id: str) -> Study:
        study = studies.locked(session, study_id)
        assert study is not None
        return study


@pytest.fixture
def life(database: Database, crew: "Crew") -> Life:
    return Life(database, crew)


def fails_to_find(spec: dict[str, Any]) -> bool:
    return spec["kind"] == "find" and spec["architecture"] == "mlp_2"


class TestCancel:
    def test_what_was_asked_for_stops_and_the_rest_never_comes(
        self, life: Life, crew: "Crew", enter: Enter
    ) -> None:
        study = enter()
        life.advance(study)
        life.cancel(study)
        life.advance(study)
        assert (set(life.states(study).values()), life.over(study)) == ({"cancelled", "blocked"}, True)
        assert crew.work() == 0

    def test_a_running_job_is_told_to_stop_and_the_study_is_open_until_it_has(
        self, life: Life, database: Database, enter: Enter
    ) -> None:
        study = enter()
        life.advance(study)
        running = life.jobs(study)[FIND]
        with database.write() as session:
            claims.claim(session, str(running), "w", 60)
        life.cancel(study)
        assert life.states(study)[FIND] == "cancelling"
        assert not life.over(study)
        with database.write() as session:
            assert attempts.stopped(session, str(running), 1)
        life.advance(study)
        assert life.over(study)

    def test_nobody_else_s_job_is_touched(
        self, life: Life, crew: "Crew", database: Database, enter: Enter
    ) -> None:
        study, other = enter(), enter()
        life.advance(study)
        life.advance(other)
        ours = life.jobs(study)
        with database.write() as session:
            find = session.get_one(Job, str(ours[FIND]))
            plain = jobs.create(session, parse_spec(find.spec), 3, digest=find.digest).id
        life.cancel(study)
        assert {life.job(job).state for job in life.jobs(other).values() if job} == {"queued"}
        assert life.job(plain).state == "queued"
        life.finish(other)
        assert set(life.states(other).values()) == {"succeeded"}

    def test_what_another_study_finished_stays(self, life: Life, enter: Enter) -> None:
        study = enter()
        life.finish(study)
        other = enter(levels=[10, 11])
        life.advance(other)
        life.cancel(other)
        assert set(life.states(study).values()) == {"succeeded"}
        assert life.states(other)[FIND] == "succeeded"

    def test_one_that_is_over_is_as_it_was(self, life: Life, crew: "Crew", enter: Enter) -> None:
        study = enter()
        life.advance(study)
        crew.work(fails_to_find)
        life.finish(study)
        before = life.states(study)
        life.cancel(study)
        assert life.states(study) == before
        life.resume(study)
        life.finish(study)
        assert set(life.states(study).values()) == {"succeeded"}

    def test_while_others_ask_for_its_jobs_none_is_left(self, life: Life, enter: Enter) -> None:
        for _ in range(5):
            study = enter()
            begun = [threading.Thread(target=do, args=(study,)) for do in (life.advance, life.cancel) * 2]
            for thread in begun:
                thread.start()
            for thread in begun:
                thread.join()
            assert life.over(study)
            assert set(life.states(study).values()) <= {"cancelled", "blocked"}


class TestResume:
    def test_what_failed_is_asked_for_again_and_what_waits_for_it_follows(
        self, life: Life, crew: "Crew", enter: Enter
    ) -> None:
        study = enter()
        life.advance(study)
        crew.work(fails_to_find)
        life.finish(study)
        before = life.jobs(study)
        assert life.over(study)
        life.resume(study)
        assert not life.over(study)
        assert life.job(life.jobs(study)[FIND]).retry_of == before[FIND]
        life.finish(study)
        assert (set(life.states(study).values()), life.over(study)) == ({"succeeded"}, True)
        after = life.jobs(study)
        assert {key for key, job in before.items() if job and after[key] != job} == {FIND}

    def test_a_cancelled_one_goes_on_where_it_was(self, life: Life, crew: "Crew", enter: Enter) -> None:
        study = enter()
        life.advance(study)
        crew.work()
        life.advance(study)
        life.cancel(study)
        done = {key: job for key, job in life.jobs(study).items() if life.states(study)[key] == "succeeded"}
        assert len(done) == 3
        life.resume(study)
        life.finish(study)
        assert set(life.states(study).values()) == {"succeeded"}
        assert done.items() <= life.jobs(study).items()

    def test_it_need_not_have_ended(self, life: Life, crew: "Crew", enter: Enter) -> None:
        study = enter()
        life.advance(study)
        crew.work(fails_to_find)
        life.advance(study)
        assert not life.over(study)
        life.resume(study)
        life.finish(study)
        assert set(life.states(study).values()) == {"succeeded"}

    def test_what_is_still_being_stopped_is_asked_for_anew(
        self, life: Life, database: Database, enter: Enter
    ) -> None:
        study = enter()
        life.advance(study)
        running = life.jobs(study)[FIND]
        with database.write() as session:
            claims.claim(session, str(running), "w", 60)
        life.cancel(study)
        life.resume(study)
        again = life.job(life.jobs(study)[FIND])
        assert (again.state, again.retry_of) == ("queued", running)
        assert life.job(running).state == "cancelling"
        life.finish(study)
        assert set(life.states(study).values()) == {"succeeded"}

    def test_what_was_done_elsewhere_meanwhile_is_taken_from_there(
        self, life: Life, crew: "Crew", enter: Enter
    ) -> None:
        study, other = enter(), enter()
        life.advance(study)
        crew.work(fails_to_find)
        life.finish(study)
        life.finish(other)
        count = life.count()
        life.resume(study)
        assert life.jobs(study)[FIND] == life.jobs(other)[FIND]
        assert life.count() == count
        assert life.over(study)

    def test_many_at_once_ask_once(self, life: Life, crew: "Crew", enter: Enter) -> None:
        study = enter()
        life.advance(study)
        crew.work(lambda _: True)
        life.advance(study)
        count = life.count()
        begun = [threading.Thread(target=life.resume, args=(study,)) for _ in range(6)]
        for thread in begun:
            thread.start()
        for thread in begun:
            thread.join()
        assert life.count() == count + 3

    def test_only_what_did_not_succeed_can_be(self, life: Life, database: Database, enter: Enter) -> None:
        study = enter()

        def resumable() -> bool:
            with database.read() as session:
                return study_changes.resumable(session.get_one(Study, study))

        life.advance(study)
        assert not resumable()
        life.finish(study)
        assert not resumable()


SHORT: dict[str, Any] = {
    "datasets": ["digits"],
    "sources": ["mlp_2"],
    "targets": ["mlp_3"],
    "levels": [2],
    "orders": ["append"],
}
MORE: dict[str, list[Any]] = {
    "datasets": ["digits_32"],
    "sources": ["mlp_4"],
    "targets": ["mlp_2"],
    "levels": [1],
    "arms": [
        {"name": "SynFlow", "method": "synflow", "parameters": {}},
        {"name": "ETT, reinit", "method": "ett", "parameters": {"weights": "reinit"}},
    ],
    "orders": ["interpolate"],
    "seeds": [5, 3],
}


class TestExtend:
    @pytest.mark.parametrize("added", [*MORE, "targets orders seeds"])
    def test_it_is_the_study_that_would_have_been_asked_for_and_keeps_what_it_has_done(
        self, life: Life, crew: "Crew", enter: Enter, added: str
    ) -> None:
        more = {name: MORE[name] for name in added.split()}
        study = enter(**SHORT)
        for _ in range(2):
            life.advance(study)
            crew.work()
        before = life.jobs(study)
        life.extend(study, **more)
        assert not life.over(study)
        life.finish(study)
        assert (set(life.states(study).values()), life.over(study)) == ({"succeeded"}, True)
        after = life.jobs(study)
        assert {key: job for key, job in before.items() if job and key in after}.items() <= after.items()
        had: dict[str, Any] = {"seeds": [0, 1], "arms": crew.ARMS} | SHORT
        assert life.rows(study) == life.rows(enter(**had | {name: had[name] + more[name] for name in more}))

    def test_more_seeds_of_a_perceptron_are_one_job_that_takes_the_place_of_the_old_one(
        self, life: Life, database: Database, enter: Enter
    ) -> None:
        study = enter()
        life.advance(study)
        before = life.jobs(study)
        with database.write() as session:
            claims.claim(session, str(before[FIND]), "w", 60)
        life.extend(study, seeds=[2])
        after = life.jobs(study)
        assert FIND not in after
        assert after[f"{FIND},2"] is not None
        # What runs may finish, for its trainings are the new one's; what has not begun never does.
        assert life.job(before[FIND]).state == State.RUNNING
        assert life.job(before[DENSE]).state == State.CANCELLED
        life.finish(study)
        assert set(life.states(study).values()) == {"succeeded"}

    def test_seeds_of_another_network_are_jobs_of_their_own(self, life: Life, enter: Enter) -> None:
        study = enter(sources=["cifar_resnet_8_2"], targets=["cifar_resnet_14_2"], levels=[1])
        life.advance(study)
        before = life.jobs(study)
        life.extend(study, seeds=[2])
        assert before.items() <= life.jobs(study).items()

    def test_what_failed_stays_so_until_it_is_resumed(self, life: Life, crew: "Crew", enter: Enter) -> None:
        study = enter()
        life.advance(study)
        crew.work(fails_to_find)
        life.finish(study)
        life.extend(study, levels=[11])
        life.finish(study)
        assert life.states(study)[FIND] == "failed"
        assert life.states(study)["digits/mlp_3/11/ETT from mlp_2/train/seeds 0,1"] == "succeeded"
        life.resume(study)
        life.finish(study)
        assert set(life.states(study).values()) == {"succeeded"}

    def test_what_failed_under_a_name_that_went_is_asked_for_when_its_tickets_are_there(
        self, life: Life, crew: "Crew", enter: Enter
    ) -> None:
        study = enter()
        for _ in range(2):
            life.advance(study)
            crew.work()
        life.advance(study)
        crew.work(lambda spec: spec.get("method") == "snip")
        life.advance(study)
        snip = "digits/mlp_3/10/SNIP/find/seed 0"
        failed = life.jobs(study)[snip]
        life.extend(study, seeds=[2])
        life.resume(study)
        assert life.states(study)[snip] == "waiting"
        life.finish(study)
        assert set(life.states(study).values()) == {"succeeded"}
        assert life.job(failed).state == "failed"

    def test_a_crash_before_the_commit_leaves_it_as_it_was(
        self, life: Life, database: Database, enter: Enter
    ) -> None:
        study = enter()
        life.advance(study)
        before = life.rows(study), life.jobs(study), life.count()
        with pytest.raises(RuntimeError, match="crash"), database.write() as session:
            row = studies.locked(session, study)
            assert row is not None
            longer = Extension(seeds=[2]).over(studies.spec(row))
            study_changes.extend(session, row, Expansion(longer), 3)
            raise RuntimeError("crash")
        assert (life.rows(study), life.jobs(study), life.count()) == before


class TestTakeUp:
    def test_a_study_goes_on_with_the_retry_of_its_job(self, life: Life, crew: "Crew", enter: Enter) -> None:
        study = enter()
        life.advance(study)
        crew.work(fails_to_find)
        life.finish(study)
        assert life.over(study)
        retry = life.retry(str(life.jobs(study)[FIND]))
        assert life.jobs(study)[FIND] == retry
        assert not life.over(study)
        life.finish(study)
        assert (set(life.states(study).values()), life.over(study)) == ({"succeeded"}, True)

    def test_every_study_that_had_it_does(
        self, life: Life, crew: "Crew", database: Database, enter: Enter
    ) -> None:
        entered = [enter() for _ in range(3)]
        life.advance(entered[0])
        crew.work(fails_to_find)
        failed = life.jobs(entered[0])[FIND]
        with database.write() as session:
            session.get_one(StudyJob, (entered[1], FIND)).job_id = failed
        retry = life.retry(str(failed))
        assert [life.jobs(study)[FIND] for study in entered] == [retry, retry, None]
