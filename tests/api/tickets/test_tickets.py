"""Tickets over HTTP: in, out, and what is told about them."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from core.catalog import jobs
from core.catalog.database import Database
from core.families import architecture
from core.jobs.formats import FORMATS
from core.jobs.specs import TrainSpec
from core.settings import Settings
from core.tickets import Metadata, Ticket, ticket_id, write


class TestUpload:
    def test_a_new_ticket_is_created_and_described(self, client, make_ticket, files, tmp_path: Path):
        content = make_ticket(3)
        answer = client.post("/tickets", params={"tag": ["a", "b c"]}, content=content)
        assert answer.status_code == 201
        body = answer.json()
        assert answer.headers["Location"] == body["links"]["self"] == f"/tickets/{body['id']}"
        network = architecture("mlp_1", [1, 8, 8], 10)
        assert (body["architecture"], body["family"], body["input"]) == ("mlp_1", "mlp", [1, 8, 8])
        assert body["prunable"] == network.prunable_weights
        packed = sum(-(-spec.size // 8) for spec in network.prunable)
        dense = sum(4 * spec.size for spec in network.tensors if not spec.prunable)
        assert body["file"]["payload"] == 4 * body["survivors"] + packed + dense
        assert body["file"]["header"] + body["file"]["payload"] == len(content)
        assert body["sparsity"] == 1 - body["survivors"] / body["prunable"]
        assert (body["level"], body["tags"]) == (5, ["a", "b c"])
        assert [origin["method"] for origin in body["provenance"]] == ["imp"]
        assert len(files()) == 1

    def test_the_id_is_that_of_the_content(self, client):
        network = architecture("mlp_1", [1, 8, 8], 10)
        ones = {spec.name: np.ones(spec.shape, np.float32) for spec in network.tensors}
        ticket = Ticket.from_dense(
            network, 7, {s.name: np.ones(s.shape, bool) for s in network.prunable}, ones
        )
        stream = io.BytesIO()
        write(ticket, Metadata(), stream)
        body = client.post("/tickets", content=stream.getvalue()).json()
        assert (body["id"], body["rewind_step"], body["sparsity"]) == (ticket_id(ticket), 7, 0.0)

    def test_the_same_content_again_is_the_same_ticket(self, client, make_ticket, files, rows):
        first = client.post("/tickets", content=make_ticket())
        again = client.post("/tickets", content=make_ticket())
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]
        assert (len(files()), rows()) == (1, 1)

    def test_another_file_of_the_same_ticket_adds_its_provenance_and_no_file(
        self, client, make_ticket, files
    ):
        first = client.post("/tickets", content=make_ticket(level=5))
        kept = files()
        again = client.post("/tickets", content=make_ticket(level=6))
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        assert [origin["level"] for origin in again.json()["provenance"]] == [5, 6]
        assert files() == kept

    def test_a_form_is_the_same_as_a_raw_body(self, client, make_ticket):
        content = make_ticket()
        form = client.post("/tickets", files={"file": ("t.safetensors", content)}, data={"tag": ["x", "y"]})
        assert (form.status_code, form.json()["tags"]) == (201, ["x", "y"])
        assert client.get(f"{form.json()['links']['file']}").content == content

    @pytest.mark.parametrize(
        "parts",
        [
            {"files": {"files": b"x"}},
            {"files": {"file": b"x", "other": b"x"}},
            {"files": [("file", b"x"), ("file", b"y")]},
            {"files": {"file": b"x"}, "data": {"tag": "<script>"}},
            {"content": b"--b\r\nnonsense", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
            {"content": b"", "headers": {"Content-Type": f"multipart/form-data; boundary={'b' * 257}"}},
        ],
    )
    def test_a_form_of_another_kind_is_refused(self, client, files, parts):
        answer = client.post("/tickets", **parts)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:elasticket:problem:invalid-request")
        assert files() == []

    def test_a_form_without_its_end_is_refused(self, client, make_ticket, files):
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        for end, status in ((b"", 422), (b"\r\n--b\r\n", 422), (b"\r\n--b--\r\n", 201)):
            answer = client.post("/tickets", content=head + make_ticket() + end, headers=kind)
            assert answer.status_code == status, end
            assert bool(files()) is (status == 201)

    def test_a_ticket_has_so_many_tags_and_no_more(self, client, make_ticket, files):
        def tag(*tags: str) -> httpx.Response:
            return client.post("/tickets", params={"tag": tags}, content=make_ticket())

        both = client.post(
            "/tickets",
            params={"tag": [f"a{i}" for i in range(32)]},
            files={"file": make_ticket()},
            data={"tag": ["b"]},
        )
        assert (both.status_code, files()) == (422, [])
        assert tag(*[f"a{i}" for i in range(20)]).status_code == 201
        assert tag(*[f"b{i}" for i in range(12)], "a0").status_code == 200
        refused = tag("c")
        assert (refused.status_code, refused.json()["errors"][0]["where"]) == (422, "tag")
        assert len(tag("a1").json()["tags"]) == 32

    def test_uploads_state_so_many_origins_and_no_more(self, client, make_ticket):
        for level in range(34):
            answer = client.post("/tickets", content=make_ticket(level=level))
        assert answer.status_code == 200
        assert [origin["level"] for origin in answer.json()["provenance"]] == list(range(32))

    @pytest.mark.parametrize("form", [False, True])
    def test_bytes_that_are_no_ticket_leave_nothing_behind(self, client, make_ticket, files, rows, form):
        broken = make_ticket()[:-1]
        answer = client.post("/tickets", **({"files": {"file": broken}} if form else {"content": broken}))
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (422, "urn:elasticket:problem:invalid-ticket")
        assert (problem["failure"], problem["where"]) == ("payload-truncated", problem["errors"][0]["where"])
        assert problem["accepted"]
        assert (files(), rows()) == ([], 0)

    def test_an_upload_that_breaks_off_leaves_nothing_behind(self, client, address, make_ticket, files, rows):
        def half():
            yield make_ticket()[:5000]
            raise ConnectionError("pulled the plug")

        with httpx.Client(base_url=address) as other, pytest.raises(ConnectionError):
            other.post("/tickets", content=half())
        assert client.get("/tickets").json()["items"] == []
        assert (files(), rows()) == ([], 0)


class TestLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"max_upload_bytes": 300_000})

    @pytest.mark.parametrize("announced", [True, False])
    @pytest.mark.parametrize("form", [False, True])
    def test_a_file_past_the_limit_is_refused_as_it_arrives(self, client, files, announced, form):
        body = b"x" * 500_000
        request = client.build_request(
            "POST", "/tickets", **({"files": {"file": body}} if form else {"content": body})
        )
        if not announced:
            content, kind = request.read(), request.headers.get("content-type", "application/octet-stream")
            pieces = (content[i : i + 10_000] for i in range(0, len(content), 10_000))
            request = client.build_request("POST", "/tickets", content=pieces, headers={"Content-Type": kind})
        answer = client.send(request)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:elasticket:problem:too-large")
        assert files() == []

    def test_a_file_of_exactly_the_limit_is_read(self, client):
        answer = client.post("/tickets", files={"file": b"x" * 300_000})
        assert answer.json()["type"] == "urn:elasticket:problem:invalid-ticket"


class TestDownload:
    def test_the_bytes_come_back(self, client, make_ticket):
        content = make_ticket()
        body = client.post("/tickets", content=content).json()
        answer = client.get(f"/tickets/{body['id']}/file", params={"format": "elasticket"})
        assert answer.content == content
        assert answer.headers["Content-Disposition"] == (
            f'attachment; filename="{body["id"][:12]}.ticket.safetensors"'
        )

    def test_a_copy_that_is_still_right_is_not_sent_again(self, client, upload):
        url = f"/tickets/{upload()}/file"
        etag = client.get(url).headers["ETag"]
        for header in (etag, f'"x", {etag}', f"W/{etag}", "*"):
            answer = client.get(url, headers={"If-None-Match": header})
            assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
        assert client.get(url, headers={"If-None-Match": '"x"'}).status_code == 200

    def test_a_range_is_served(self, client, make_ticket):
        content = make_ticket()
        url = client.post("/tickets", content=content).json()["links"]["file"]
        answer = client.get(url, headers={"Range": "bytes=100-199"})
        assert (answer.status_code, answer.content) == (206, content[100:200])
        assert answer.headers["Content-Range"] == f"bytes 100-199/{len(content)}"
        etag = answer.headers["ETag"]
        rest = client.get(url, headers={"Range": f"bytes={len(content) - 5}-", "If-Range": etag})
        assert rest.content == content[-5:]
        whole = client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
        assert (whole.status_code, whole.content) == (200, content)

    @pytest.mark.parametrize(
        "header",
        ["bytes", "lines=0-1", "bytes=5-2", "bytes=x-y", "bytes=", f"bytes={'9' * 5000}-", "bytes=0-1,x"],
    )
    def test_a_range_that_cannot_be_read_is_ignored(self, client, make_ticket, header):
        content = make_ticket()
        url = client.post("/tickets", content=content).json()["links"]["file"]
        answer = client.get(url, headers={"Range": header})
        assert (answer.status_code, answer.content) == (200, content)

    @pytest.mark.parametrize("header", ["bytes=0-9", "BYTES= 0-9", "bytes=-10", "bytes=0-1, 5-6"])
    def test_ranges_of_bytes_are_read(self, client, upload, header):
        assert client.get(f"/tickets/{upload()}/file", headers={"Range": header}).status_code == 206

    def test_a_range_past_the_end_is_a_problem(self, client, make_ticket):
        content = make_ticket()
        url = client.post("/tickets", content=content).json()["links"]["file"]
        answer = client.get(url, headers={"Range": f"bytes={len(content)}-"})
        assert (answer.status_code, answer.json()["status"]) == (416, 416)
        assert answer.headers["Content-Range"] == f"bytes */{len(content)}"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.json()["type"] == "urn:elasticket:problem:range-not-satisfiable"
        assert f"0 to {len(content) - 1}" in answer.json()["errors"][0]["accepted"]

    def test_another_format_is_refused_with_those_accepted(self, client, upload):
        answer = client.get(f"/tickets/{upload()}/file", params={"format": "keras"})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["in"], error["where"]) == (422, "query", "format")
        assert error["accepted"] == ", ".join(["elasticket", *FORMATS])


class TestIdempotency:
    def test_a_replay_is_answered_alike_and_makes_nothing(self, client, make_ticket, rows):
        headers = {"Idempotency-Key": "one"}
        first = client.post("/tickets", content=make_ticket(), headers=headers)
        again = client.post("/tickets", content=make_ticket(), headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        assert rows() == 1

    def test_other_bytes_under_the_key_are_refused_and_leave_nothing(self, client, make_ticket, files, rows):
        headers = {"Idempotency-Key": "one"}
        client.post("/tickets", content=make_ticket(1), headers=headers)
        kept = files()
        answer = client.post("/tickets", content=make_ticket(2), headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (
            422,
            "urn:elasticket:problem:idempotency-key-reused",
        )
        assert (files(), rows()) == (kept, 1)

    def test_a_rejected_upload_does_not_use_the_key_up(self, client, make_ticket):
        headers = {"Idempotency-Key": "one"}
        assert client.post("/tickets", content=b"x", headers=headers).status_code == 422
        assert client.post("/tickets", content=make_ticket(), headers=headers).status_code == 201

    def test_uploads_at_once_make_one_ticket(self, address, make_ticket, rows, files):
        content = make_ticket()

        def send(_: int) -> tuple[int, str]:
            answer = httpx.post(f"{address}/tickets", content=content, timeout=30)
            return answer.status_code, answer.json()["id"]

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(send, range(6)))
        assert sorted(status for status, _ in answers) == [200] * 5 + [201]
        assert len({identity for _, identity in answers}) == 1
        assert (rows(), len(files())) == (1, 1)


class TestList:
    @pytest.fixture
    def three(self, upload) -> dict[str, str]:
        small = upload(1, density=0.1, dataset="mnist")
        return {
            "small": small,
            "large": upload(2, density=0.9, method="random", level=None),
            "deep": upload(3, name="cifar_resnet_8", shape=(3, 32, 32), parent=small, method="ett"),
        }

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({}, ["deep", "large", "small"]),
            ({"architecture": "mlp_1"}, ["large", "small"]),
            ({"family": "cifar_resnet"}, ["deep"]),
            ({"dataset": "mnist"}, ["small"]),
            ({"method": "random"}, ["large"]),
            ({"sparsity_min": "0.5"}, ["deep", "small"]),
            ({"sparsity_max": "0.5"}, ["large"]),
            ({"sparsity_min": "0.6", "sparsity_max": "0.8"}, ["deep"]),
            ({"tag": "none"}, []),
        ],
    )
    @pytest.mark.parametrize("few", [0, 2000], ids=["each asked", "looked up"])
    def test_filters(self, client, three, query, names, few, monkeypatch):
        monkeypatch.setattr("core.catalog.ticket_lists.FEW", few)
        listed = [ticket["id"] for ticket in client.get("/tickets", params=query).json()["items"]]
        assert listed == [three[name] for name in names]

    def test_by_parent_and_by_tag(self, client, three, make_ticket):
        by_parent = client.get("/tickets", params={"parent": three["small"]}).json()["items"]
        assert [ticket["id"] for ticket in by_parent] == [three["deep"]]
        tagged = client.post("/tickets", params={"tag": "best"}, content=make_ticket(9)).json()["id"]
        assert [ticket["id"] for ticket in client.get("/tickets?tag=best").json()["items"]] == [tagged]

    @pytest.mark.parametrize(
        "query",
        [
            "sparsity_min=2",
            "sparsity_max=nan",
            "tag=%00",
            "parent=x",
            "architecture=%00",
            "after=x",
            "limit=0",
        ],
    )
    def test_nonsense_is_refused(self, client, query):
        answer = client.get(f"/tickets?{query}")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["in"], error["where"]) == (422, "query", query.split("=")[0])


class TestShow:
    @pytest.mark.parametrize("path", ["", "/layers", "/lineage", "/results", "/file"])
    @pytest.mark.parametrize("identity", ["0" * 64, "x", "%00"])
    def test_what_is_not_there(self, client, path, identity):
        answer = client.get(f"/tickets/{identity}{path}")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:elasticket:problem:not-found")

    def test_layers_sum_up(self, client, upload):
        identity = upload()
        ticket, layers = (
            client.get(f"/tickets/{identity}").json(),
            client.get(f"/tickets/{identity}/layers").json(),
        )
        assert [layer["name"] for layer in layers["layers"]] == [
            "fc_layers.0.weight",
            "fc_layers.1.weight",
            "fc.weight",
        ]
        assert sum(layer["survivors"] for layer in layers["layers"]) == ticket["survivors"]
        assert sum(layer["size"] for layer in layers["layers"]) == layers["prunable"] == ticket["prunable"]
        for layer in layers["layers"]:
            assert layer["density"] == layer["survivors"] / layer["size"]
            assert layer["sparsity"] == 1 - layer["density"]

    def test_lineage_goes_both_ways(self, client, upload):
        old = upload(1)
        middle = upload(2, parent=old, method="ett")
        young = upload(3, parent=middle, method="ett")
        lineage = client.get(f"/tickets/{middle}/lineage").json()
        assert [ticket["id"] for ticket in lineage["ancestors"]] == [old]
        assert [ticket["id"] for ticket in lineage["children"]] == [young]
        assert lineage["children"][0]["jobs"] == []
        assert [ticket["id"] for ticket in client.get(f"/tickets/{young}/lineage").json()["ancestors"]] == [
            middle,
            old,
        ]

    def test_results_have_a_mean_and_a_spread(self, client, upload, worker, outcome, database: Database):
        identity = upload()
        with database.write() as session:
            job = jobs.create(session, TrainSpec(tickets=[identity], dataset="digits").complete("mlp"), 3).id
        worker.succeed(job, worker.claim(job), outcome(identity, 90, 94))
        found = client.get(f"/tickets/{identity}/results").json()
        (summary,) = found["summary"]
        assert (summary["count"], summary["mean"]) == (2, pytest.approx(0.92))
        assert summary["std"] == pytest.approx(np.std([0.90, 0.94], ddof=1))
        assert [(row["job"], row["accuracy"], row["run"]) for row in found["results"]] == [
            (job, 0.9, 0),
            (job, 0.94, 1),
        ]
