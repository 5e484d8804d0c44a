import csv
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from api.problems import INVALID_REQUEST, NOTHING_TO_RESUME, REFUSED, UNSUITABLE
from core.catalog import studies
from core.catalog.tables import Job, Study

RIVALS = {"study": "rivals", "datasets": ["digits"], "seeds": [0, 1]}


class TestCreate:
    def test_one_request_asks_for_all_that_can_be_begun(self, client, database):
        answer = client.post("/studies", json=RIVALS)
        assert answer.status_code == 202
        body = answer.json()
        assert answer.headers["location"] == f"/studies/{body['id']}"
        assert (body["spec"]["sources"], body["spec"]["levels"]) == (["mlp_2"], [10])
        begun = {job["key"] for job in body["jobs"] if job["state"] == "queued"}
        assert begun == {
            "digits/mlp_2/10/IMP/find/seeds 0,1",
            "digits/mlp_3/10/IMP/find/seeds 0,1",
            "digits/mlp_3/dense/train/seeds 0,1",
        }
        assert body["counts"] == {"queued": 3, "waiting": len(body["jobs"]) - 3}
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 3

    def test_the_same_request_under_its_key_makes_one_study(self, client):
        first, again = (
            client.post("/studies", json=RIVALS, headers={"Idempotency-Key": "k"}) for _ in range(2)
        )
        assert first.json()["id"] == again.json()["id"]
        assert again.headers["idempotency-replayed"] == "true"

    def test_a_dry_run_tells_the_jobs_and_does_nothing(self, client, database):
        plan = client.post("/studies?dry_run=true", json=RIVALS)
        assert plan.status_code == 200
        assert plan.json()["jobs"]["transform"] == 1
        assert plan.json()["cells"] == 14
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Study)) == 0

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"study": "table_9"}, "accepted: rivals, elth_depth"),
            ({"targets": ["cifar_resnet_14"]}, "stay in their family"),
            ({"arms": [{"name": "x", "method": "magic"}]}, "unknown method 'magic'"),
            ({"seeds": []}, "at least 1"),
            ({"datasets": None}, "list"),
        ],
    )
    def test_what_cannot_be_is_refused_precisely(self, client, database, change, said):
        answer = client.post("/studies", json=RIVALS | change)
        assert answer.status_code == 422
        assert said in answer.text
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Study)) == 0

    @pytest.mark.parametrize(
        ("change", "kind", "said"),
        [
            ({"levels": [60]}, UNSUITABLE, "mlp_2/60/IMP/find/seeds 0,1: /parameters/level"),
            ({"recipe": {"length": "1ep", "rewind": "12it"}}, UNSUITABLE, "/recipe/rewind"),
            ({"targets": ["mlp_1"], "sources": ["mlp_2"], "orders": ["append"]}, REFUSED, "append"),
        ],
    )
    def test_a_job_that_could_not_be_done_is_named(self, client, change, kind, said):
        answer = client.post("/studies", json=RIVALS | change)
        assert (answer.status_code, answer.json()["type"]) == (422, kind.type)
        assert said in answer.json()["detail"]


class TestShow:
    def test_the_list_is_newest_first(self, client):
        made = [client.post("/studies", json=RIVALS | {"seeds": [seed]}).json()["id"] for seed in range(3)]
        found = client.get("/studies?limit=2").json()
        assert [study["id"] for study in found["items"]] == [made[2], made[1]]
        assert client.get(found["next"]).json()["items"][0]["id"] == made[0]

    def test_what_is_not_there_is_not_found(self, client):
        for path in ("/studies/" + "0" * 32, "/studies/" + "0" * 32 + "/table"):
            assert client.get(path).status_code == 404


@pytest.fixture
def dense(client, worker, database, outcome):
    """A study of one job, which is done."""
    asked = {"arms": [{"name": "dense", "method": "dense"}], "targets": ["mlp_1"], "sources": ["mlp_1"]}
    study = client.post("/studies", json=RIVALS | asked).json()
    (job,) = (job["job"] for job in study["jobs"])
    worker.succeed(job, worker.claim(job), outcome(None, 91, 93))
    with database.write() as session:
        studies.advance(session, study["id"], 3)
    return study["id"]


class TestTable:
    def test_as_json_it_has_the_numbers_behind_the_text(self, client, dense):
        table = client.get(f"/studies/{dense}/table").json()
        assert table["columns"][3:] == [
            "accuracy, %",
            "sparsity, %",
            "trainings per seed",
            "seconds per seed",
        ]
        ((*_, accuracy, _, trainings, seconds),) = table["rows"]
        assert (accuracy, trainings, seconds) == ("92.00 ± 1.41", "1", "1.5")
        (cell,) = table["cells"]
        assert [replicate["accuracy"] for replicate in cell["replicates"]] == [0.91, 0.93]
        assert cell["complete"]
        assert client.get(f"/studies/{dense}").json()["finished_at"]

    def test_as_text_of_every_kind(self, client, dense):
        def shown(format_: str):
            answer = client.get(f"/studies/{dense}/table?format={format_}").raise_for_status()
            return answer.headers["content-type"].partition(";")[0], answer.text

        media, text = shown("csv")
        assert media == "text/csv"
        assert list(csv.reader(io.StringIO(text)))[1][:4] == ["mlp_1", "10", "dense", "92.00 ± 1.41"]
        assert shown("markdown")[1].splitlines()[2].startswith("| mlp_1 | 10 | dense | 92.00 ± 1.41 |")
        assert r"mlp\_1 & 10 & dense & 92.00 $\pm$ 1.41" in shown("latex")[1]
        assert shown("text")[0] == "text/plain"
        media, text = shown("html")
        assert (media, text.startswith("<table>")) == ("text/html", True)
        assert "mean ± sample standard deviation over seeds 0, 1" in text
        assert client.get(f"/studies/{dense}/table?format=pdf").status_code == 422


class TestFigures:
    def test_they_are_listed_as_data_and_drawn_one_by_one(self, client, dense):
        (figure,) = client.get(f"/studies/{dense}/figures").json()["figures"]
        assert figure["name"] == "cost-digits-mlp_1"
        (curve,) = figure["curves"]
        assert curve["points"] == [{"x": 1.5, "y": 92.0, "std": pytest.approx(1.41421356)}]
        here = f"/studies/{dense}/figures/{figure['name']}"
        assert client.get(f"{here}?format=json").json() == figure
        svg, png = (client.get(here, params=given) for given in ({}, {"format": "png"}))
        assert svg.headers["content-type"].startswith("image/svg+xml")
        assert svg.headers["content-security-policy"].startswith("default-src 'none'")
        assert "mlp_1 on digits" in svg.text
        assert png.content.startswith(b"\x89PNG")

    def test_one_that_is_not_there_is_not_found(self, client, dense):
        answer = client.get(f"/studies/{dense}/figures/cost")
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no figure cost.")
        assert client.get("/studies/" + "0" * 32 + "/figures").status_code == 404


class TestCancel:
    def test_its_jobs_stop_and_again_it_changes_nothing(self, client, database):
        study = client.post("/studies", json=RIVALS).json()["id"]
        for _ in range(2):
            answer = client.post(f"/studies/{study}/cancel")
            assert answer.status_code == 202
            assert answer.json()["counts"].keys() == {"cancelled", "blocked"}
        with database.read() as session:
            assert set(session.scalars(select(Job.state))) == {"cancelled"}

    def test_one_that_is_not_there_is_not_found(self, client):
        for asked in ("cancel", "resume"):
            assert client.post(f"/studies/{'0' * 32}/{asked}").status_code == 404
        assert client.post(f"/studies/{'0' * 32}/extend", json={"seeds": [9]}).status_code == 404


class TestResume:
    def test_what_was_cancelled_is_asked_for_again(self, client, database):
        study = client.post("/studies", json=RIVALS).json()["id"]
        assert "resume" not in client.get(f"/studies/{study}").json()["links"]
        cancelled = client.post(f"/studies/{study}/cancel").json()
        assert cancelled["links"]["resume"] == f"/studies/{study}/resume"
        first, again = (
            client.post(f"/studies/{study}/resume", headers={"Idempotency-Key": "k"}) for _ in range(2)
        )
        assert first.status_code == again.status_code == 202
        assert again.headers["idempotency-replayed"] == "true"
        assert first.json()["counts"].keys() == {"queued", "waiting"}
        assert first.json()["finished_at"] is None
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 6

    def test_where_nothing_is_to_be_resumed_it_says_so(self, client):
        study = client.post("/studies", json=RIVALS).json()["id"]
        answer = client.post(f"/studies/{study}/resume")
        assert (answer.status_code, answer.json()["type"]) == (409, NOTHING_TO_RESUME.type)
        assert "under way" in answer.json()["detail"]

    def test_a_job_retried_by_itself_is_the_study_s(self, client):
        study = client.post("/studies", json=RIVALS).json()
        job = client.post(f"/studies/{study['id']}/cancel").json()["jobs"][0]["job"]
        retry = client.post(f"/jobs/{job}/retry").json()["id"]
        shown = client.get(f"/studies/{study['id']}").json()
        assert shown["jobs"][0]["job"] == retry
        assert shown["finished_at"] is None


class TestExtend:
    def test_what_is_new_is_asked_for_and_the_same_request_adds_nothing_more(self, client, database):
        study = client.post("/studies", json=RIVALS).json()
        asked = {"targets": ["mlp_4"], "arms": [{"name": "SNIP, BN off", "method": "snip"}]}
        first, again = (
            client.post(f"/studies/{study['id']}/extend", json=asked, headers={"Idempotency-Key": "k"})
            for _ in range(2)
        )
        assert first.status_code == 202, first.text
        assert again.headers["idempotency-replayed"] == "true"
        assert first.json() == again.json()
        assert first.json()["spec"]["targets"] == ["mlp_3", "mlp_4"]
        kept = {job["key"]: job["job"] for job in first.json()["jobs"]}
        assert {job["key"]: job["job"] for job in study["jobs"]}.items() <= kept.items()
        assert len(client.get(f"/studies/{study['id']}/table").json()["cells"]) == 30
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 5

    def test_a_dry_run_tells_what_would_come_and_go(self, client, database):
        study = client.post("/studies", json=RIVALS).json()
        plan = client.post(f"/studies/{study['id']}/extend?dry_run=true", json={"seeds": [2]}).json()
        assert "digits/mlp_2/10/IMP/find/seeds 0,1,2" in plan["keys"]
        assert "digits/mlp_2/10/IMP/find/seeds 0,1" in plan["gone"]
        assert (sum(plan["jobs"].values()), plan["cells"]) == (len(plan["keys"]), 0)
        assert client.get(f"/studies/{study['id']}").json() == study

    @pytest.mark.parametrize(
        ("more", "where", "said"),
        [
            ({}, "", "nothing is added"),
            ({"seeds": [7, 1]}, "/seeds/1", "1 is in the study already"),
            ({"arms": [{"name": "ETT", "method": "dense"}]}, "/arms/0", "ETT is in the study already"),
            ({"seeds": [7, 7]}, "/seeds", "each may be given once"),
            ({"seeds": list(range(2, 99))}, "/seeds", "at most 64"),
            ({"datasets": ["nine"]}, "/datasets", "unknown dataset 'nine'"),
            ({"targets": ["cifar_resnet_14"]}, "", "stay in their family"),
            ({"levels": [0]}, "/levels/0", "greater than"),
            ({"recipe": {}}, "/recipe", "not permitted"),
        ],
    )
    def test_what_cannot_be_added_is_refused_and_adds_nothing(self, client, more, where, said):
        study = client.post("/studies", json=RIVALS).json()
        for asked in ("extend", "extend?dry_run=true"):
            answer = client.post(f"/studies/{study['id']}/{asked}", json=more)
            assert (answer.status_code, answer.json()["type"]) == (422, INVALID_REQUEST.type)
            assert answer.json()["errors"][0]["where"] == where
            assert said in answer.text
        assert client.get(f"/studies/{study['id']}").json() == study

    @pytest.mark.parametrize(
        ("more", "kind", "said"),
        [
            ({"levels": [60]}, UNSUITABLE, "digits/mlp_2/60/IMP/find/seeds 0,1: /parameters/level"),
            (
                {
                    "targets": ["mlp_1"],
                    "arms": [{"name": "e", "method": "ett", "parameters": {"order": "append"}}],
                },
                REFUSED,
                "append",
            ),
        ],
    )
    def test_a_job_that_could_not_be_done_is_named(self, client, more, kind, said):
        study = client.post("/studies", json=RIVALS).json()
        answer = client.post(f"/studies/{study['id']}/extend", json=more)
        assert (answer.status_code, answer.json()["type"]) == (422, kind.type)
        assert said in answer.json()["detail"]
        assert client.get(f"/studies/{study['id']}").json() == study

    def test_many_at_once_are_all_in_it(self, client):
        study = client.post("/studies", json=RIVALS | {"arms": [{"name": "dense", "method": "dense"}]}).json()

        def add(seed: int) -> int:
            return client.post(f"/studies/{study['id']}/extend", json={"seeds": [seed]}).status_code

        with ThreadPoolExecutor() as pool:
            assert set(pool.map(add, range(10, 16))) == {202}
        assert set(client.get(f"/studies/{study['id']}").json()["spec"]["seeds"]) == {0, 1, *range(10, 16)}
