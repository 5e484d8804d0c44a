"""The API's documentation: an example for every body, each valid against its own schema."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from api.app import create_app
from core.settings import Settings


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    return create_app(Settings(home=home)).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in operations(document):
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} request {kind}", media
        for status, response in operation["responses"].items():
            for kind, media in response.get("content", {}).items():
                yield f"{name} {status} {kind}", media


def examples(document: dict[str, Any], media: dict[str, Any]) -> list[Any]:
    schema = media.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    named = [example["value"] for example in media.get("examples", {}).values()]
    return [*named, *([media["example"]] if "example" in media else []), *schema.get("examples", [])]


class TestExamples:
    def test_every_body_has_one(self, document):
        assert [name for name, media in bodies(document) if not examples(document, media)] == []

    def test_every_one_is_valid_against_its_schema(self, document):
        checked = 0
        for name, media in bodies(document):
            schema = media.get("schema", {}) | {"components": document["components"]}
            validator = jsonschema.Draft202012Validator(schema)
            for example in examples(document, media):
                errors = [
                    f"{name}: {error.json_path} {error.message}" for error in validator.iter_errors(example)
                ]
                assert errors == []
                checked += 1
        assert checked > 100

    def test_the_requests_are_accepted(self, document, client, upload):
        ticket = upload(name="mlp_2")
        for path in ("/find", "/train", "/evaluate", "/transform"):
            media = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            for example in examples(document, media):
                given = example | ({"tickets": [ticket]} if "tickets" in example else {})
                assert client.post(path, json=given).status_code == 202

    def test_two_trainings_are_connected(self, document, client, upload, worker, outcome):
        ticket = upload()
        train = client.post("/train", json={"tickets": [ticket], "dataset": "digits"}).json()["id"]
        worker.succeed(train, worker.claim(train), outcome(ticket, 90, 91))
        media = document["paths"]["/connect"]["post"]["requestBody"]["content"]["application/json"]
        (example,) = examples(document, media)
        given = example | {"trainings": [end | {"job": train} for end in example["trainings"]]}
        assert client.post("/connect", json=given).status_code == 202


class TestDocument:
    def test_operations_are_named_tagged_and_told(self, document):
        names = [operation["operationId"] for _, operation in operations(document)]
        assert len(names) == len(set(names))
        for name, operation in operations(document):
            assert re.fullmatch("[a-z_]+", operation["operationId"]), name
            assert operation["tags"], name
            assert operation["description"], name

    def test_the_routes_are_those_of_the_design(self, document):
        assert {name for name, _ in operations(document)} == {
            "POST /tickets",
            "GET /tickets",
            "GET /tickets/{ticket}",
            "DELETE /tickets/{ticket}",
            "GET /tickets/{ticket}/file",
            "GET /tickets/{ticket}/layers",
            "GET /tickets/{ticket}/layers/{layer}/mask.png",
            "GET /tickets/{ticket}/lineage",
            "GET /tickets/{ticket}/results",
            "GET /tickets/{ticket}/anatomy",
            "GET /tickets/{ticket}/compare/{other}",
            "POST /uploads",
            "POST /uploads/{upload}/complete",
            "POST /transform",
            "POST /find",
            "POST /train",
            "POST /evaluate",
            "POST /connect",
            "GET /jobs",
            "GET /jobs/{job}",
            "PATCH /jobs/{job}",
            "DELETE /jobs/{job}",
            "GET /jobs/{job}/events",
            "GET /jobs/{job}/log",
            "GET /jobs/{job}/runs",
            "POST /jobs/{job}/cancel",
            "POST /jobs/{job}/retry",
            "GET /architectures",
            "POST /architectures",
            "GET /architectures/{name}",
            "GET /datasets",
            "GET /methods",
            "POST /studies",
            "GET /studies",
            "GET /studies/{study}",
            "DELETE /studies/{study}",
            "GET /studies/{study}/table",
            "GET /studies/{study}/archive",
            "POST /studies/import",
            "GET /studies/{study}/figures",
            "GET /studies/{study}/figures/{name}",
            "POST /studies/{study}/cancel",
            "GET /studies/{study}/ledger",
            "GET /jobs/{job}/ledger",
            "POST /plans",
            "POST /studies/{study}/resume",
            "POST /studies/{study}/extend",
            "GET /runs",
            "GET /fleet",
            "PATCH /fleet/pools/{pool}",
            "POST /keys",
            "GET /keys",
            "DELETE /keys/{key}",
            "GET /audit",
            "GET /healthz",
            "GET /metrics",
            "GET /readyz",
        }

    def test_errors_are_documented_as_problems(self, document):
        for name, media in bodies(document):
            status = name.split()[2]
            if status.isdigit() and int(status) >= 400:
                assert name.endswith("application/problem+json")
                assert media["schema"] == {"$ref": "#/components/schemas/Problem"}

    @pytest.mark.parametrize("path", ["/find", "/transform", "/train", "/evaluate", "/connect"])
    def test_what_a_json_body_may_be_refused_for_is_documented(self, document, path):
        assert {"413", "415", "422"} <= document["paths"][path]["post"]["responses"].keys()

    def test_a_range_that_is_not_there_is_documented(self, document):
        assert "416" in document["paths"]["/tickets/{ticket}/file"]["get"]["responses"]

    def test_the_page_loads_nothing_from_elsewhere(self, client):
        page = client.get("/docs").text
        addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
        assert len(addresses) >= 3
        assert all(address.startswith(("/", "data:")) for address in addresses)
        assert "http" not in re.sub(r"window\.location\.\w+", "", page)
        for address in addresses:
            if address.startswith("/"):
                assert client.get(address).status_code == 200
        version = re.search(r'PACKAGE_VERSION:"(\d+)', client.get("/docs/assets/swagger-ui-bundle.js").text)
        assert version is not None
        assert int(version[1]) >= 5  # the first that reads OpenAPI 3.1
