import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from core.catalog import claims, jobs, search
from core.catalog.database import Database
from core.catalog.search import JobFilter, Order
from core.catalog.tables import Job, Ticket
from core.jobs.specs import parse_spec
from core.jobs.states import State

SOURCE = "9f2c" * 16
SPECS: list[dict[str, Any]] = [
    {"kind": "find", "architecture": "mlp_2", "dataset": "digits"},
    {
        "kind": "find",
        "architecture": "cifar_resnet_20",
        "dataset": "cifar10",
        "method": "grasp",
        "parameters": {"sparsity": 0.9},
    },
    {"kind": "train", "architecture": "mlp_2", "dataset": "mnist"},
    {"kind": "train", "tickets": [SOURCE], "dataset": "digits"},
    {"kind": "transform", "tickets": [SOURCE], "architecture": "mlp_4", "via": [{"architecture": "mlp_3"}]},
    {"kind": "evaluate", "job": "4b1d" * 8, "dataset": "cifar100"},
]


@pytest.fixture
def catalog(database: Database) -> Database:
    figures = dict.fromkeys(
        ("classes", "rewind_step", "prunable", "survivors", "header_bytes", "payload_bytes"), 10
    )
    with database.write() as session:
        session.add(
            Ticket(
                id=SOURCE,
                architecture="mlp_1",
                family="mlp",
                input=[1, 8, 8],
                sparsity=0.5,
                file_digest="0" * 64,
                **figures,
            )
        )
    return database


@pytest.fixture
def asked(catalog: Database) -> Callable[..., str]:
    def ask(**spec: object) -> str:
        parsed = parse_spec(spec)
        if hasattr(parsed, "complete"):
            parsed = parsed.complete("mlp")
        with catalog.write() as session:
            return jobs.create(session, parsed, 3).id

    return ask


def listed(
    database: Database, limit: int = 100, order: Order = "newest", **wanted: Any
) -> tuple[list[str], int]:
    """Every job that the pages of a filter list, and how many pages they are."""
    found: list[str] = []
    cursor, pages = None, 0
    while True:
        with database.read() as session:
            page = search.page(session, limit, cursor, JobFilter(**wanted), order)
        found += [job.id for job in page.rows]
        assert len(page.rows) <= limit
        pages += 1
        cursor = page.next
        if cursor is None:
            return found, pages


class TestPage:
    def test_pages_cover_every_job_once_while_others_arrive(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        before = [queued() for _ in range(7)]
        seen: list[str] = []
        cursor = None
        while True:
            with database.read() as session:
                page = search.page(session, 3, cursor)
            seen += [job.id for job in page.rows]
            queued()
            cursor = page.next
            if cursor is None:
                break
        assert sorted(seen) == sorted(before)

    @pytest.mark.parametrize("order", ["newest", "oldest"])
    @pytest.mark.parametrize("scan", [1, 4, 10_000])
    def test_every_filter_lists_what_a_look_at_each_job_finds(
        self,
        catalog: Database,
        asked: Callable[..., str],
        order: Order,
        scan: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(search, "SCAN", scan)
        chance = random.Random(0)
        rows = []
        for number in range(24):
            spec, state = chance.choice(SPECS), chance.choice(list(State))
            job_id = asked(**spec)
            with catalog.write() as session:
                # Several at one moment: the id decides among them.
                values = {"state": state, "created_at": 1e9 + number // 3}
                session.execute(update(Job).where(Job.id == job_id).values(**values))
            rows.append((1e9 + number // 3, job_id, state, spec))
        rows.sort(reverse=order == "newest")
        for states, kinds, dataset in (
            ([], [], None),
            ([State.QUEUED], [], None),
            ([State.FAILED, State.CANCELLED, State.SUCCEEDED], [], None),
            ([], ["find", "train"], None),
            ([State.FAILED, State.RUNNING], ["train"], "digits"),
        ):
            expected = [
                job_id
                for _, job_id, state, spec in rows
                if (not states or state in states)
                and (not kinds or spec["kind"] in kinds)
                and dataset in (None, spec.get("dataset"))
            ]
            for limit in (2, 100):
                found, _ = listed(catalog, limit, order, states=states, kinds=kinds, dataset=dataset)
                assert found == expected

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({"text": "resnet"}, {1}),
            ({"text": "RESNET GraSP"}, {1}),
            ({"text": "resnet digits"}, set()),
            ({"text": "mlp_1"}, {3, 4}),
            ({"text": SOURCE[:12]}, {3, 4}),
            ({"text": "4b1d4b1d"}, {5}),
            ({"text": "transform"}, {4}),
            ({"text": "dataset:cifar"}, {1, 5}),
            ({"dataset": "cifar10"}, {1}),
            ({"dataset": "cifar"}, set()),
            ({"architecture": "mlp_2"}, {0, 2}),
            ({"architecture": "mlp_3"}, {4}),
            ({"architecture": "mlp"}, set()),
            ({"text": "mlp_2", "dataset": "mnist"}, {2}),
            ({"text": "100%"}, set()),
            ({"text": "cifar_0"}, set()),
            ({"text": "\0"}, {0, 1, 2, 3, 4, 5}),
        ],
    )
    def test_words_and_names(
        self, catalog: Database, asked: Callable[..., str], wanted: dict[str, str], expected: set[int]
    ) -> None:
        made = [asked(**spec) for spec in SPECS]
        assert set(listed(catalog, **wanted)[0]) == {made[i] for i in expected}

    def test_a_worker_is_found_by_its_name(self, catalog: Database, asked: Callable[..., str]) -> None:
        job_id, _ = asked(**SPECS[0]), asked(**SPECS[0])
        with catalog.write() as session:
            claims.claim(session, job_id, "GPU-Host.example:12", 30)
        assert listed(catalog, text="gpu-host")[0] == [job_id]

    def test_a_job_is_found_by_the_beginning_of_its_id_however_old_it_is(
        self, catalog: Database, asked: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "SCAN", 1)
        old = asked(**SPECS[0])
        for _ in range(3):
            asked(**SPECS[0])
        assert listed(catalog, text=old[:8]) == ([old], 1)
        assert listed(catalog, text=old[:8], states=[State.QUEUED]) == ([old], 1)
        assert listed(catalog, text=old[:8], states=[State.FAILED])[0] == []

    def test_a_page_that_found_nothing_goes_on_where_it_stopped(
        self, catalog: Database, asked: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "SCAN", 2)
        old = asked(**SPECS[1])
        for _ in range(5):
            asked(**SPECS[0])
        found, pages = listed(catalog, text="grasp")
        assert found == [old]
        assert pages > 1
