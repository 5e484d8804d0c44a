import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from core.catalog import studies, study_results
from core.catalog.database import Database
from core.catalog.tables import Job, Study
from core.jobs.identity import SPEC_VERSION
from core.studies.report import filled

if TYPE_CHECKING:
    from tests.core.catalog.conftest import Crew


def advance(database: Database, study_id: str) -> None:
    with database.write() as session:
        studies.advance(session, study_id, 3)


def look(database: Database, study_id: str) -> tuple[dict[str, str], bool]:
    with database.read() as session:
        study = studies.get(session, study_id)
        assert study is not None
        return studies.standings(study), study.finished_at is not None


class TestAdvance:
    def test_jobs_are_asked_for_as_their_tickets_come_and_the_end_is_marked(
        self, database: Database, crew: "Crew", enter: Callable[..., str]
    ) -> None:
        study = enter()
        rounds = []
        while True:
            advance(database, study)
            before = len(crew.done)
            if not crew.work():
                break
            rounds.append(sorted({spec["kind"] for spec in crew.done[before:]}))
        assert rounds == [["find", "train"], ["train", "transform"], ["find", "train"], ["train"]]
        states, finished = look(database, study)
        assert (set(states.values()), finished) == ({"succeeded"}, True)
        with database.read() as session:
            row = studies.get(session, study)
            assert row is not None
            cells = filled(studies.expansion(row).cells, study_results.done(session, row), 2)
        assert [cell.complete for cell in cells] == [True] * 4
        assert [[trial.accuracy for trial in cell.trials] for cell in cells] == [[0.9, 0.91]] * 4

    def test_a_rival_is_given_the_survivors_of_the_stretched_ticket_of_its_seed(
        self, database: Database, crew: "Crew", enter: Callable[..., str]
    ) -> None:
        study = enter()
        for _ in range(5):
            advance(database, study)
            crew.work()
        (transform,) = (n for n, spec in enumerate(crew.done, 1) if spec["kind"] == "transform")
        given = [spec["parameters"]["survivors"] for spec in crew.done if spec.get("method") == "snip"]
        assert given == [100 + transform] * 2

    def test_what_another_job_has_done_is_not_done_again(
        self, database: Database, crew: "Crew", enter: Callable[..., str]
    ) -> None:
        first = enter()
        for _ in range(5):
            advance(database, first)
            crew.work()
        second = enter()
        advance(database, second)
        assert look(database, second) == look(database, first)
        assert crew.work() == 0

    def test_a_failure_blocks_what_needs_it_and_nothing_else(
        self, database: Database, crew: "Crew", enter: Callable[..., str]
    ) -> None:
        study = enter()
        for _ in range(5):
            advance(database, study)
            crew.work(fails=lambda spec: spec["kind"] == "find" and spec["architecture"] == "mlp_2")
        states, finished = look(database, study)
        assert finished
        assert {key: state for key, state in states.items() if state != "succeeded"} == {
            "digits/mlp_2/10/IMP/find/seeds 0,1": "failed",
            "digits/mlp_3/10/from mlp_2/transform/seeds 0,1": "blocked",
            "digits/mlp_3/10/ETT from mlp_2/train/seeds 0,1": "blocked",
            "digits/mlp_3/10/SNIP/find/seed 0": "blocked",
            "digits/mlp_3/10/SNIP/find/seed 1": "blocked",
            "digits/mlp_3/10/SNIP/train/seeds 0,1": "blocked",
        }

    def test_many_at_once_ask_for_every_job_once(
        self, database: Database, crew: "Crew", enter: Callable[..., str]
    ) -> None:
        study = enter()
        for _ in range(5):
            threads = [threading.Thread(target=advance, args=(database, study)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            crew.work()
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == len(look(database, study)[0])

    def test_a_crash_before_the_commit_asks_for_nothing(
        self, database: Database, enter: Callable[..., str]
    ) -> None:
        study = enter()
        with pytest.raises(RuntimeError, match="crash"), database.write() as session:
            studies.advance(session, study, 3)
            raise RuntimeError("crash")
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 0
        assert set(look(database, study)[0].values()) == {"waiting"}


class TestOutlook:
    def test_there_is_something_to_do_when_the_study_is_new_and_when_a_job_has_ended(
        self, database: Database, crew: "Crew", enter: Callable[..., str]
    ) -> None:
        study = enter()

        def look() -> studies.Outlook:
            with database.read() as session:
                return studies.outlook(session, study)

        assert set(look().ready) == {
            "digits/mlp_2/10/IMP/find/seeds 0,1",
            "digits/mlp_3/10/IMP/find/seeds 0,1",
            "digits/mlp_3/dense/train/seeds 0,1",
        }
        advance(database, study)
        assert look() == studies.Outlook([], over=False)
        crew.work()
        assert set(look().ready) == {
            "digits/mlp_3/10/from mlp_2/transform/seeds 0,1",
            "digits/mlp_3/10/IMP/train/seeds 0,1",
        }
        for _ in range(5):
            advance(database, study)
            crew.work()
        assert look() == studies.Outlook([], over=True)


class TestPulses:
    def test_they_change_with_every_end_of_a_job_and_only_then(
        self, database: Database, crew: "Crew", enter: Callable[..., str]
    ) -> None:
        study = enter()

        def pulses() -> dict[str, studies.Pulse]:
            with database.read() as session:
                return studies.pulses(session)

        seen = [pulses()]
        advance(database, study)
        assert pulses() == seen[0] == {study: ("default", 0, None, None)}
        for _ in range(3):
            crew.work()
            assert pulses() not in seen
            seen.append(pulses())
            advance(database, study)
            assert pulses() == seen[-1]
        crew.work()
        advance(database, study)
        assert pulses() == {}

    def test_what_a_newer_version_asked_for_is_left_to_its_dispatcher(
        self, database: Database, enter: Callable[..., str]
    ) -> None:
        newer, own = enter(), enter()
        with database.write() as session:
            session.get_one(Study, newer).spec_version = SPEC_VERSION + 1
        with database.read() as session:
            assert studies.pulses(session).keys() == {own}


class TestExtents:
    def test_they_are_what_counting_every_job_gives(
        self, database: Database, crew: "Crew", enter: Callable[..., str]
    ) -> None:
        entered = [enter(), enter(seeds=[2])]
        advance(database, entered[0])
        crew.work(fails=lambda spec: spec["architecture"] == "mlp_3")
        advance(database, entered[0])
        with database.write() as session:
            (transform,) = session.scalars(select(Job).where(Job.state == "queued"))
            transform.progress = {"done": 1, "total": 4}
        with database.read() as session:
            extents = studies.extents(session, entered)
            for study_id in entered:
                study = studies.get(session, study_id)
                assert study is not None
                done = [studies.fraction(row) for row in study.jobs]
                assert extents[study_id] == studies.Extent(len(done), pytest.approx(sum(done) / len(done)))
        assert extents[entered[0]].share == pytest.approx((1 + 0.25) / 9)
        assert extents[entered[1]].share == 0


class TestKeys:
    def test_the_longest_fit(self, database: Database, enter: Callable[..., str]) -> None:
        networks = ["lenet" + "_1" * hidden for hidden in (28, 29)]
        study = enter(
            datasets=["fashion_mnist"],
            found_on=["cifar10_224"],
            sources=[networks[0]],
            targets=[networks[1]],
            arms=[{"name": "ä" * 64, "method": "ett"}],
            orders=["interpolate", "append"],
            seeds=[2**31 - 1 - n for n in range(64)],
            connect=True,
        )
        with database.read() as session:
            row = studies.get(session, study)
            assert row is not None
            keys = [job.key for job in row.jobs]
            assert keys == list(studies.expansion(row).nodes)
            assert max(map(len, keys)) == 256
