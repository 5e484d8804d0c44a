"""Studies asked for in YAML, over HTTP."""

import json

import pytest
import yaml
from sqlalchemy import func, select

from api.problems import INVALID_REQUEST, NOT_JSON, TOO_LARGE
from core.catalog.tables import Study

ASKED = {"study": "rivals", "datasets": ["digits"], "seeds": [0, 1], "recipe": {"length": "20ep", "lr": 0.05}}
YAML = """
study: rivals
datasets: [digits]   # always there
seeds:
  - 0
  - 1
recipe: {length: 20ep, lr: 5e-2}
"""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def send(client):
    def post(content, kind="application/yaml", query="", **headers):
        headers |= {"Content-Type": kind}
        return client.post(f"/studies{query}", content=content, headers=headers)

    return post


@pytest.fixture
def made(database):
    def count() -> int:
        with database.read() as session:
            return session.scalar(select(func.count()).select_from(Study))

    return count


class TestYaml:
    @pytest.mark.parametrize(
        "kind", ["application/yaml", "Application/YAML; charset=utf-8", "application/x-yaml", "text/yaml"]
    )
    def test_it_is_the_study_that_json_asks_for(self, send, client, kind):
        assert yaml.safe_load(YAML.replace("5e-2", "0.05")) == ASKED
        answer = send(YAML, kind)
        assert answer.status_code == 202
        assert answer.json()["spec"] == client.post("/studies", json=ASKED).json()["spec"]

    def test_a_dry_run_tells_the_same_and_does_nothing(self, send, client, made):
        plans = send(YAML, query="?dry_run=true"), client.post("/studies?dry_run=true", json=ASKED)
        # Its seconds follow from this machine's speed, which is timed for each.
        yaml_s, json_s = ((plan.json()["keys"], plan.json()["trainings"]) for plan in plans)
        assert yaml_s == json_s
        assert made() == 0

    def test_the_same_request_under_its_key_makes_one_study_in_either_notation(self, send, made):
        keyed = {"Idempotency-Key": "k"}
        first = send(YAML, **keyed)
        again = send(json.dumps(ASKED), "application/json", **keyed)
        assert (first.json()["id"], again.headers["idempotency-replayed"]) == (again.json()["id"], "true")
        assert made() == 1

    def test_what_the_fields_refuse_is_told_as_of_json(self, send, client):
        told = send(YAML.replace("- 1", "- -1"))
        same = client.post("/studies", json=ASKED | {"seeds": [0, -1]})
        assert told.status_code == 422
        assert told.json() == same.json()
        assert told.json()["errors"][0]["where"] == "/seeds/1"

    @pytest.mark.parametrize(
        ("content", "line", "column", "what"),
        [
            (b"study: &a [x]\nseeds: *a", 1, 8, "an anchor"),
            (b"study: rivals\n\tseeds: 1", 2, 1, "tab"),
            (b"study: rivals\nstudy: elth_fc", 2, 1, "again"),
            (b"study: \xff", 1, 8, "UTF-8"),
            (b"recipe: {lr: .nan}", 1, 14, ".nan"),
        ],
    )
    def test_what_is_no_plain_yaml_is_refused_with_its_line(self, send, made, content, line, column, what):
        answer = send(content)
        problem = answer.json()
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert (problem["type"], problem["line"], problem["column"]) == (INVALID_REQUEST.type, line, column)
        assert what in problem["detail"]
        assert problem["errors"][0]["accepted"]
        assert made() == 0

    @pytest.mark.parametrize("content", [b"- rivals", b"rivals", b"", b"3"])
    def test_a_study_is_a_mapping(self, send, client, content):
        told = send(content)
        json_of = json.dumps(yaml.safe_load(content))
        same = client.post("/studies", content=json_of, headers={"Content-Type": "application/json"})
        assert (told.status_code, told.json()) == (422, same.json())

    def test_the_size_is_limited_as_json_s_is(self, send):
        answer = send(b"#" * (1 << 20) + b"\n")
        assert (answer.status_code, answer.json()["type"]) == (413, TOO_LARGE.type)

    @pytest.mark.parametrize("kind", ["text/plain", "application/toml"])
    def test_another_media_type_is_told_both(self, send, kind):
        answer = send(YAML, kind)
        assert (answer.status_code, answer.json()["type"]) == (415, NOT_JSON.type)
        assert answer.json()["errors"][0]["accepted"] == "application/json or application/yaml"
