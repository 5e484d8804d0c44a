from __future__ import annotations

from typing import Any

import pytest

from core.catalog import ledger, studies
from core.catalog.ledger import SEVERAL
from core.catalog.tables import Attempt, Job, Run, Study, StudyJob
from core.studies.expansion import Expansion
from core.studies.spec import StudySpec

SPEC = StudySpec.model_validate(
    {
        "datasets": ["digits"],
        "sources": ["mlp_2"],
        "targets": ["mlp_3"],
        "levels": [2],
        "arms": [{"name": name, "method": name.lower()} for name in ("ETT", "IMP", "dense")],
        "seeds": [0],
    }
)


def job(number: int = 0, *, kind: str = "find", created: float = 100.0, **change: Any) -> Job:
    """A job of three attempts on two devices: 4 s lost, 6 s lost, 20 s to its end."""
    tries = [(100.0, 104.0, "the worker fell silent"), (110.0, 116.0, None), (120.0, 140.0, "succeeded")]
    fields: dict[str, Any] = {
        "id": f"{number:032x}",
        "kind": kind,
        "state": "succeeded",
        "spec": {"devices": 2},
        "created_at": created,
        "finished_at": 140.0,
        "attempts": [
            Attempt(attempt=n, started_at=start, ended_at=end, outcome=outcome)
            for n, (start, end, outcome) in enumerate(tries, 1)
        ],
        "runs": [],
    }
    return Job(**fields | change)


def run(ordinal: int, level: int | None, seconds: float, *, shared: bool = False) -> Run:
    return Run(
        ordinal=ordinal,
        architecture="mlp_2",
        dataset="digits",
        seed=ordinal,
        level=level,
        steps=12,
        seconds=seconds / 2,
        shared=shared,
        speed={"device_seconds": seconds, "evaluation_seconds": seconds / 10},
    )


class TestJob:
    def test_every_attempt_counts_times_its_devices(self) -> None:
        cost = ledger.entry(job())
        assert [attempt.device_seconds for attempt in cost.attempts] == [8.0, 12.0, 40.0]
        assert cost.device_seconds == 60.0
        assert cost.lost_seconds == 20.0

    def test_one_under_way_counts_until_now_and_is_not_lost(self) -> None:
        running = job(attempts=[Attempt(attempt=1, started_at=100.0, ended_at=None, outcome=None)])
        assert ledger.entry(running, now=107.0).device_seconds == 14.0
        assert ledger.entry(running, now=107.0).lost_seconds == 0.0

    def test_trainings_of_other_jobs_are_saved_not_spent(self) -> None:
        cost = ledger.entry(job(runs=[run(0, 0, 5.0), run(1, 0, 7.0, shared=True), run(2, 1, 11.0)]))
        assert cost.training_seconds == 16.0
        assert cost.evaluation_seconds == pytest.approx(1.6)
        assert cost.saved_seconds == 7.0
        assert [(one.level, one.device_seconds, one.saved_seconds) for one in cost.levels] == [
            (0, 5.0, 7.0),
            (1, 11.0, 0.0),
        ]

    def test_a_training_without_a_speed_counts_by_its_seconds(self) -> None:
        plain = run(0, None, 5.0)
        plain.speed = None
        cost = ledger.entry(job(runs=[plain]))
        assert cost.training_seconds == 5.0
        assert cost.levels == ()


class TestStudy:
    def asked(self, made: dict[str, Job]) -> tuple[Study, Expansion]:
        expansion = Expansion(SPEC)
        rows = [
            StudyJob(
                key=node.key,
                kind=node.kind,
                body=dict(node.body),
                position=n,
                job=made.get(node.key),
                error=None,
            )
            for n, node in enumerate(expansion.nodes.values())
        ]
        return Study(id="0" * 32, created_at=90.0, jobs=rows), expansion

    def test_arms_and_kinds_add_up_to_the_total(self) -> None:
        keys = list(Expansion(SPEC).nodes)
        study, expansion = self.asked({key: job(n, created=200.0) for n, key in enumerate(keys)})
        cost = ledger.study(study, expansion.cells, 0.0)
        assert cost.total.device_seconds == 60.0 * len(keys)
        for accounts in (cost.arms, cost.kinds):
            assert sum(account.device_seconds for account in accounts) == cost.total.device_seconds
            assert sum(account.jobs for account in accounts) == len(keys)
        # ETT's source is found for nobody else here; its ticket is carried and trained.
        by_arm = {account.name: account.jobs for account in cost.arms}
        assert by_arm == {"ETT": 3, "IMP": 2, "dense": 1}

    def test_what_two_arms_need_stands_by_itself(self) -> None:
        fields = SPEC.model_dump() | {"targets": ["mlp_2", "mlp_3"]}
        expansion = Expansion(StudySpec.model_validate(fields))
        rows = [
            StudyJob(key=node.key, kind=node.kind, body=dict(node.body), position=n, job=None, error=None)
            for n, node in enumerate(expansion.nodes.values())
        ]
        cost = ledger.study(Study(created_at=90.0, jobs=rows), expansion.cells, 0.0)
        arms = {entry.key: entry.arm for entry in cost.entries}
        assert arms["digits/mlp_2/2/IMP/find/seed 0"] == SEVERAL

    def test_a_job_from_before_the_study_is_saved(self) -> None:
        key = "digits/mlp_2/2/IMP/find/seed 0"
        study, expansion = self.asked({key: job(created=80.0)})
        cost = ledger.study(study, expansion.cells, 0.0)
        assert (cost.total.device_seconds, cost.total.saved_seconds) == (0.0, 60.0)
        assert [entry.key for entry in cost.entries if entry.reused] == [key]

    def test_so_is_one_from_before_what_it_needs_was_done(self) -> None:
        find, carried = list(Expansion(SPEC).nodes)[:2]
        study, expansion = self.asked({find: job(1), carried: job(2, kind="transform", created=120.0)})
        reused = {entry.key: entry.reused for entry in ledger.study(study, expansion.cells, 0.0).entries}
        assert (reused[find], reused[carried]) == (False, True)

    def test_one_job_under_two_keys_is_spent_once(self) -> None:
        one = job(created=200.0)
        keys = list(Expansion(SPEC).nodes)
        study, expansion = self.asked({keys[0]: one, keys[-1]: one})
        cost = ledger.study(study, expansion.cells, 0.0)
        assert (cost.total.device_seconds, cost.total.saved_seconds) == (60.0, 60.0)

    def test_nodes_of_rows_are_those_of_the_expansion(self) -> None:
        study, expansion = self.asked({})
        assert {row.key: studies.node(row) for row in study.jobs} == expansion.nodes
