"""What one project has does not exist for another: every route of the document, every page, every way to name a thing.

The cases are made from the OpenAPI document and the routes of the pages. What a case asks about the first project's
things with the second's key must be answered exactly as about ids that nobody has. A new route, parameter or body
field fails here until it is sorted into one of the tables below.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi.routing import APIRoute

from api.access.policies import routes
from api.app import create_app
from core.catalog import keys
from core.catalog.database import Database
from core.settings import Settings
from tests.api.access.tenants import (
    DEFINITION,
    FIND,
    FIRST,
    NOWHERE,
    SECOND,
    STUDY,
    TRAIN,
    Things,
    everything,
    filled,
    populate,
)
from tests.buckets import new_bucket
from tests.tables import stated, table

DOCUMENT = Path(__file__).parents[3] / "docs/security.md"
GIVEN = {"layer": "fc.weight", "format": "json", "name": "barrier.svg", "pool": "host:1"}
"""Parts of paths that name nothing of a project."""

Make = Callable[[dict[str, str]], Any]
BODIES: dict[str, list[Make]] = {
    "POST /transform": [lambda ids: {"tickets": [ids["ticket"]], "architecture": "mlp_2"}],
    "POST /find": [],
    "POST /train": [
        lambda ids: {"tickets": [ids["ticket"]]} | TRAIN,
        lambda ids: {"tickets": [ids["other"], ids["ticket"]], "dataset": "digits"},
    ],
    "POST /evaluate": [
        lambda ids: {"tickets": [ids["ticket"]], "dataset": "digits"},
        lambda ids: {"job": ids["trained"], "dataset": "digits"},
    ],
    "POST /connect": [
        lambda ids: {"trainings": [{"job": ids["trained"], "run": 0}, {"job": ids["trained"], "run": 1}]}
    ],
    "POST /studies": [],
    "POST /studies/import": [],
    "POST /studies/{study}/extend": [lambda ids: {"seeds": [5]}],
    "POST /plans": [],
    "POST /tickets": [],
    "POST /uploads": [],
    "POST /architectures": [],
    "POST /keys": [],
    "PATCH /jobs/{job}": [lambda ids: {"priority": 7}],
    "PATCH /fleet/pools/{pool}": [],
}
"""Bodies that name things. Those of a route with none of them name nothing: `TestSameContent` asks those twice."""

QUERIES: dict[str, Make] = {
    "parent": lambda ids: ids["ticket"],
    "run": lambda ids: f"{ids['trained']}:0",
    "job": lambda ids: ids["trained"],
    "a": lambda ids: ids["ticket"],
    "b": lambda ids: ids["other"],
    "q": lambda ids: ids["queued"],
    "resource": lambda ids: ids["queued"],
    "architecture": lambda ids: ids["architecture"],
}
"""Parameters of queries that may name a thing."""
PLAIN = {
    *(
        "limit",
        "after",
        "family",
        "dataset",
        "method",
        "tag",
        "sparsity_min",
        "sparsity_max",
        "state",
        "kind",
    ),
    *("order", "dry_run", "priority", "format", "seed", "level", "input", "rewind_step", "steps_per_epoch"),
    *("classes", "exact", "hide", "back"),
}
"""Those that cannot: words of filters, whose answers `TestLists` looks through."""
PAGES: dict[str, list[Make]] = {
    "POST /ui/jobs/batch": [
        lambda ids: {"action": "cancel", "job": ids["running"]},
        lambda ids: {"action": "retry", "job": ids["failed"], "to": "job"},
        lambda ids: {"action": "prioritise", "job": ids["queued"], "priority": "9"},
    ],
    "POST /ui/tickets/{ticket_id}/stretch": [lambda ids: {"target": "mlp_2", "do": "transform"}],
    "POST /ui/tickets/{ticket_id}/train": [lambda ids: {"dataset": "digits", "key": "k"}],
    "POST /ui/sign-in": [],
    "POST /ui/sign-out": [],
    "POST /ui/upload": [],
}
"""Forms that name things."""
UNDECLARED = {"GET /ui/tickets": ["parent", "architecture"]}
"""Parameters that a page reads of its address by itself."""
OPEN = {"/healthz", "/readyz", "/ui/sign-in"}
OPERATED = {"/metrics"}
"""Of all projects: for the admin of `default` alone."""
_PATH = {"ticket_id": "ticket", "job_id": "job"}


HISTORY = {
    "epoch": 1,
    "step": 12,
    "train_loss": 0.5,
    "correct": 90,
    "total": 100,
    "test_loss": 0.5,
    "test_accuracy": 0.9,
    "lr": 0.1,
    "seconds": 1.5,
}
"""An epoch."""


class Case(NamedTuple):
    """One request that names something: by `named`, in the path, the query or the body."""

    route: str
    path: str
    named: str
    body: Make | None = None
    query: tuple[str, Make] | None = None


def parameters(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create_app(Settings(home=tmp_path_factory.mktemp("home")))


class World(NamedTuple):
    """Two projects: their clients, and what the first has."""

    first: httpx.Client
    second: httpx.Client
    things: Things
    database: Database
    tickets: tuple[bytes, bytes]


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, object_store: str
) -> Iterator[World]:
    from tests.api.conftest import serving, ticket_bytes, trained

    home = tmp_path_factory.mktemp("tenants")
    shutil.copyfile(sqlite_template, home / "elasticket.db")
    settings = Settings(
        home=home,
        auth="keys",
        database_url=f"sqlite:///{home}/elasticket.db",
        artifacts=new_bucket(object_store),
    )
    database = Database(settings.database)
    clients = []
    with ExitStack() as opened:
        address = opened.enter_context(serving(create_app(settings)))
        for project in (FIRST, SECOND):
            with database.everywhere().write() as session:
                keys.ensure_project(session, project)
            with database.of(project).write() as session:
                text = keys.create(session, "its key", "admin")[1].text
            headers = {"Authorization": f"Bearer {text}"}
            client = httpx.Client(base_url=address, timeout=30, headers=headers)
            clients.append(opened.enter_context(client))
        parent = ticket_bytes(0)
        first, second = clients
        identity = first.post("/tickets?dry_run=true", content=parent).json()["tickets"][0]["id"]
        child = ticket_bytes(1, parent=identity, details={"note": "secret note"})
        outcome = trained(identity, 90, 91)
        for run in outcome.runs:
            run.history[:] = [HISTORY]
        things = populate(first, database, parent, child, outcome)
        yield World(first, second, things, database, (parent, child))
    database.close()


def api_cases(document: dict[str, Any]) -> Iterator[Case]:
    for path, methods in document["paths"].items():
        if path in OPEN:
            continue
        for method, operation in methods.items():
            route = f"{method.upper()} {path}"
            named = [
                name for name in parameters(path) if name not in GIVEN or path == "/architectures/{name}"
            ]
            bodies: list[Make | None] = [*BODIES.get(route, [])]
            if "requestBody" in operation:
                assert route in BODIES, f"{route} has a body: say in BODIES how it names things"
            for body in bodies or ([None] if named else []):
                yield Case(route, path, ", ".join([*named, *(["its body"] if body else [])]), body)
            for given in operation.get("parameters", ()):
                if given["in"] == "query":
                    assert given["name"] in QUERIES or given["name"] in PLAIN, f"{route}: {given['name']}"
                    if given["name"] in QUERIES:
                        query = (given["name"], QUERIES[given["name"]])
                        yield Case(route, path, f"?{given['name']}=", None, query)


def page_cases(application: Any) -> Iterator[Case]:
    for route in routes(application):
        if not isinstance(route, APIRoute) or route.include_in_schema or route.path in (*OPEN, "/docs"):
            continue
        for method in sorted(route.methods or ()):
            name, named = f"{method} {route.path}", parameters(route.path)
            assert method == "GET" or name in PAGES, f"{name} takes a form: say in PAGES how it names things"
            bodies: list[Make | None] = [*PAGES.get(name, [])]
            for body in bodies or ([None] if named else []):
                words = [_PATH.get(one, one) for one in named] + (["its form"] if body else [])
                yield Case(name, route.path, ", ".join(words), body)
            declared = [field.alias for field in route.dependant.query_params] if method == "GET" else []
            for word in [*declared, *UNDECLARED.get(name, [])]:
                assert word in QUERIES or word in PLAIN, f"{name}: {word}"
                if word in QUERIES:
                    yield Case(name, route.path, f"?{word}=", None, (word, QUERIES[word]))


def ask(client: httpx.Client, case: Case, things: Things, **headers: str) -> httpx.Response:
    method, _, path = case.route.partition(" ")
    ids = things.ids | {"ticket_id": things.ids["ticket"], "job_id": things.ids["job"]}
    given = GIVEN | ({"name": ids["architecture"]} if path == "/architectures/{name}" else {})
    page = path.startswith("/ui/") or path == "/"
    request: dict[str, Any] = {}
    if case.body is not None:
        request = {"data" if page else "json": case.body(ids)}
    if case.query is not None:
        name, make = case.query
        request["params"] = {name: make(ids)}
        if path == "/runs":
            request["params"] = {"run": make(ids)}
    accept = {"Accept": "text/html" if page else "application/json"}
    return client.request(
        method, filled(case.path, ids, given), headers=accept | headers, follow_redirects=False, **request
    )


def normal(answer: httpx.Response, things: Things) -> tuple[int, str]:
    """An answer without ids and times."""
    text = things.sub(answer.text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|\+00:00)?", "<time>", text)
    return answer.status_code, re.sub(r'"at":[\d.]+', '"at":0', text)


class TestNaming:
    """Whatever names a thing of the first project, the second is answered as if nobody had it."""

    def test_every_route_answers_as_about_what_is_nowhere(self, world: World, application: Any) -> None:
        before = everything(world.database, FIRST)
        rows = []
        cases = [*api_cases(application.openapi()), *page_cases(application)]
        assert len(cases) > 50
        for case in cases:
            theirs, nowhere = ask(world.second, case, world.things), ask(world.second, case, NOWHERE)
            assert normal(theirs, world.things) == normal(nowhere, NOWHERE), case
            assert theirs.status_code != 403, case
            if any(name not in GIVEN for name in parameters(case.path)):
                assert theirs.status_code == 404, case
            if case.query is None:
                assert theirs.status_code in (404, 409, 422), case
            rows.append((case, theirs.status_code))
        assert everything(world.database, FIRST) == before
        self.written(rows)

    def written(self, rows: list[tuple[Case, int]]) -> None:
        """The table of the document is that of this test; ELASTICKET_WRITE_DOCUMENTS=1 writes it."""
        made = table(
            ["route", "what is named", "answer"],
            ((f"`{case.route}`", case.named, status) for case, status in rows),
        )
        assert stated(DOCUMENT, "two tenants", made), "make the table again: ELASTICKET_WRITE_DOCUMENTS=1"

    def test_the_first_is_answered(self, world: World, application: Any) -> None:
        """What is refused to the second is there: the same requests with the first's key find it."""
        for case in [*api_cases(application.openapi()), *page_cases(application)]:
            if (
                case.route.startswith("GET")
                and "/figures/{name}" not in case.path
                and "mask" not in case.path
            ):
                if case.path.endswith("/events"):
                    continue  # a stream that goes on
                answer = ask(world.first, case, world.things)
                assert answer.status_code in (200, 303, 307), (case, answer.text[:300])

    def test_neither_does_head_tell(self, world: World, application: Any) -> None:
        for case in api_cases(application.openapi()):
            if case.route.startswith("GET") and set(parameters(case.path)) - GIVEN.keys():
                path = case.route.replace("GET", "HEAD")
                answer = ask(world.second, case._replace(route=path), world.things)
                assert answer.status_code == 404, case

    def test_a_browser_signed_in_for_the_second_sees_no_more(self, world: World, application: Any) -> None:
        text = world.second.headers["Authorization"].removeprefix("Bearer ")
        same = {"Sec-Fetch-Site": "same-origin"}
        with httpx.Client(base_url=world.second.base_url, timeout=30) as browser:
            assert browser.post("/ui/sign-in", data={"key": text}, headers=same).status_code == 303
            for case in [*api_cases(application.openapi()), *page_cases(application)]:
                theirs = ask(browser, case, world.things, **same)
                assert normal(theirs, world.things) == normal(ask(browser, case, NOWHERE, **same), NOWHERE), (
                    case
                )


class TestLists:
    """What names nothing shows nothing of the first: lists, searches, counts, the fleet, plans, pages."""

    SEARCHES = (
        *(
            "/jobs?limit=500",
            "/jobs?state=running",
            "/jobs?q=mlp",
            "/tickets?limit=500",
            "/tickets?tag=hidden-tag",
        ),
        *("/tickets?family=mlp", "/studies", "/architectures?limit=500", "/keys", "/fleet", "/audit"),
        *(
            "/",
            "/?q=mlp",
            "/?state=failed",
            "/ui/tickets",
            "/ui/tickets?tag=hidden-tag",
            "/ui/studies",
            "/ui/fleet",
        ),
        *("/ui/compare", "/ui/compare-tickets", "/ui/plan", "/ui/upload"),
    )

    def test_every_route_without_a_name_is_looked_at(self, application: Any) -> None:
        asked = {path.partition("?")[0] for path in self.SEARCHES}
        for route in routes(application):
            if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and not parameters(route.path):
                known = {"/datasets", "/methods", "/docs", "/runs", "/ui/jobs", *OPERATED, *OPEN}
                assert route.path in asked | known, route.path

    def test_nothing_of_the_first_is_in_them(self, world: World) -> None:
        for path in self.SEARCHES:
            for accept in ("application/json", "text/html"):
                answer = world.second.get(path, headers={"Accept": accept})
                assert answer.status_code == 200, path
                marks = [mark for mark in world.things.marks if mark not in path]
                assert [mark for mark in marks if mark in answer.text] == [], path

    def test_what_is_of_all_projects_is_no_tenants(self, world: World) -> None:
        for path in OPERATED:
            for client in (world.first, world.second):
                answer = client.get(path)
                assert answer.status_code == 403, path
                assert [mark for mark in world.things.marks if mark in answer.text] == []

    def test_nothing_of_it_is_counted(self, world: World) -> None:
        fleet = world.second.get("/fleet").json()
        assert fleet["workers"] == []
        assert set(fleet["queue"].values()) <= {0, None}
        assert fleet["dispatch"]["unannounced"] == 0
        assert all(hour["succeeded"] + hour["failed"] + hour["cancelled"] == 0 for hour in fleet["hours"])
        assert all(day["device_seconds"] == 0 for day in fleet["days"])
        for path in ("/jobs", "/tickets", "/studies"):
            assert world.second.get(path).json()["items"] == []
        for path in ("/jobs", "/tickets", "/studies"):
            assert len(world.first.get(path).json()["items"]) > 0

    def test_a_cursor_of_the_first_shows_nothing_of_it(self, world: World) -> None:
        following = world.first.get("/jobs?limit=1").json()["next"]
        assert world.second.get(following).json()["items"] == []

    def test_the_firsts_trainings_measure_nothing_for_the_second(self, world: World) -> None:
        asked = {"sources": ["mlp_1"], "targets": ["mlp_2"], "dataset": "digits", "levels": [1]}
        example = world.second.get("/openapi.json").json()["paths"]["/plans"]["post"]["requestBody"]
        for one in example["content"]["application/json"]["examples"].values():
            asked = one["value"]
            answer = world.second.post("/plans", json=asked)
            assert answer.status_code == 200
            assert "measured here" not in answer.text


class TestSameContent:
    """What both have is each one's own."""

    def test_the_same_ticket_is_new_and_tells_nothing_of_the_firsts(self, world: World) -> None:
        before = everything(world.database, FIRST)
        parent, child = world.tickets
        page = world.second.post("/ui/upload", files={"file": parent}, headers={"Accept": "text/html"})
        assert "here already" not in page.text
        assert not world.second.post("/tickets?dry_run=true", content=child).json()["tickets"][0]["here"]
        plain = child.replace(b"secret note", b"public note")
        answer = world.second.post("/tickets?tag=mine", content=plain)
        body = answer.json()
        assert (answer.status_code, body["id"]) == (201, world.things.ids["other"])
        assert body["tags"] == ["mine"]
        assert "secret" not in answer.text
        where = f"/tickets/{body['id']}"
        assert world.second.get(f"{where}/lineage").json()["ancestors"] == []
        assert world.second.get(f"{where}/results").json() == {"summary": [], "results": []}
        assert world.second.get(f"{where}/file", follow_redirects=True).content == plain
        assert world.first.get(f"{where}/file", follow_redirects=True).content == child
        assert world.second.post("/tickets", content=plain).status_code == 200
        assert everything(world.database, FIRST) == before

    def test_a_finished_job_of_the_first_answers_no_request(self, world: World) -> None:
        again = world.first.post("/find", json=FIND)
        assert (again.status_code, again.headers["job-reused"]) == (200, "true")
        answer = world.second.post("/find", json=FIND)
        assert answer.status_code == 202
        assert "job-reused" not in answer.headers
        assert answer.json()["id"] != world.things.ids["job"]

    def test_nor_is_it_foreseen(self, world: World) -> None:
        plans = [client.post("/studies?dry_run=true", json=STUDY) for client in (world.first, world.second)]
        assert {plan.status_code for plan in plans} == {200}
        assert world.things.ids["job"] not in plans[1].text

    def test_the_same_idempotency_key_is_anothers(self, world: World) -> None:
        other = FIND | {"architecture": "mlp_2"}
        answer = world.second.post("/find", json=other, headers={"Idempotency-Key": "shared"})
        assert answer.status_code == 202
        assert "idempotency-replayed" not in answer.headers

    def test_the_same_name_may_stand_for_another_architecture(self, world: World) -> None:
        other = json.loads(json.dumps(DEFINITION))
        other["tensors"] = {"b.0.weight": [32, 32], "b.1.weight": [32, 32], "out.weight": [10, 32]}
        assert world.first.post("/architectures", json=other).status_code == 409
        assert world.second.post("/architectures", json=other).status_code == 201
