"""Files of other tools: what becomes of them before a worker sees them."""

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from core.catalog.artifacts import LocalStore
from core.catalog.attempts import ProducedFile
from core.families import architecture
from core.jobs.outcome import Failure, Outcome
from core.settings import Settings
from core.tickets import read, ticket_id

PROBLEM = "urn:elasticket:problem:"


def foreign(seed: int = 0) -> bytes:
    """A dense safetensors file of `mlp_1` with zeros."""
    network, numbers = architecture("mlp_1", (1, 8, 8), 10), np.random.default_rng(seed)
    tensors = {spec.name: numbers.random(spec.shape, np.float32) for spec in network.tensors}
    return save({name: np.where(values < 0.7, 0, values) for name, values in tensors.items()})


class Bomb:
    """Runs a command where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def hostile_pth(marker: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(marker), 2))
        archive.writestr("archive/version", "3\n")
    return stream.getvalue()


def linked_tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        link = tarfile.TarInfo("level_0/main/mask.pth")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return stream.getvalue()


@pytest.fixture
def left(settings: Settings):
    """What lies in the store and in its scratch folders."""

    def names() -> list[str]:
        root = settings.artifact_directory
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    return names


class TestQueued:
    def test_another_format_becomes_a_job_and_its_file_waits_for_it(self, client, settings, left):
        content = foreign()
        answer = client.post("/tickets", content=content, params={"dataset": "digits", "tag": "theirs"})
        body = answer.json()
        assert (answer.status_code, body["kind"], body["state"]) == (202, "import", "queued")
        assert answer.headers["Location"] == f"/jobs/{body['id']}" == body["links"]["self"]
        spec = body["spec"]
        assert (spec["size"], spec["dataset"], spec["tags"]) == (len(content), "digits", ["theirs"])
        assert left() == [f"scratch/{body['id']}/upload"]
        assert (settings.scratch_directory / body["id"] / "upload").read_bytes() == content

    def test_everything_that_is_said_of_it(self, client):
        said = {
            "format": "dense",
            "architecture": "mlp_1",
            "input": "1,8,8",
            "rewind_step": 100,
            "steps_per_epoch": 12,
            "dataset": "digits",
            "seed": 3,
            "level": 4,
        }
        spec = client.post("/tickets", content=foreign(), params=said).json()["spec"]
        assert {name: spec[name] for name in said} == said | {"input": [1, 8, 8]}

    def test_a_form_does_as_well(self, client, left):
        answer = client.post("/tickets", files={"file": foreign()}, data={"tag": ["a", "b"]})
        assert (answer.status_code, answer.json()["spec"]["tags"]) == (202, ["a", "b"])
        assert len(left()) == 1

    def test_a_key_makes_one_job(self, client, left):
        headers = {"Idempotency-Key": "one"}
        first = client.post("/tickets", content=foreign(), headers=headers)
        again = client.post("/tickets", content=foreign(), headers=headers)
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json()["id"] == again.json()["id"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert len(left()) == 1
        for other in ({"content": foreign(1)}, {"content": foreign(), "params": {"level": 1}}):
            refused = client.post("/tickets", headers=headers, **other)
            assert refused.json()["type"] == PROBLEM + "idempotency-key-reused"
        assert len(left()) == 1

    def test_a_finished_import_is_the_answer_where_that_is_preferred(
        self, client, settings, worker, make_ticket, tmp_path
    ):
        headers = {"Idempotency-Key": "one"}
        job = client.post("/tickets", content=foreign(), headers=headers).json()["id"]
        (path := tmp_path / "t").write_bytes(make_ticket())
        file = read(path)
        with LocalStore(settings.artifact_directory).stage() as staged:
            staged.write(path.read_bytes())
            digest = staged.commit()
        made = ProducedFile(ticket_id(file.ticket), digest, file)
        worker.succeed(job, worker.claim(job), Outcome(), [made])
        answer = client.post("/tickets", content=foreign(), headers=headers | {"Prefer": "wait=5"})
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=5")
        assert answer.json()["outputs"]["tickets"] == [ticket_id(file.ticket)]
        (origin,) = client.get(f"/tickets/{ticket_id(file.ticket)}").json()["provenance"]
        assert origin["job"] == job

    def test_one_that_takes_longer_is_answered_as_it_is(self, client):
        answer = client.post("/tickets", content=foreign(), headers={"Prefer": "wait=1"})
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")


class TestRefused:
    @pytest.mark.parametrize("form", [False, True])
    def test_a_pickle_that_runs_code(self, client, left, tmp_path, form):
        content = hostile_pth(tmp_path / "marker")
        answer = client.post("/tickets", **({"files": {"file": content}} if form else {"content": content}))
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (422, PROBLEM + "unreadable-file")
        assert (problem["reason"], problem["errors"][0]["in"]) == ("pickles-code", "file")
        assert problem["accepted"]
        assert not (tmp_path / "marker").exists()
        assert (left(), client.get("/jobs").json()["items"]) == ([], [])

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (linked_tar(), "member-kind"),
            (b"PK\x03\x04" + b"x" * 100, "archive-damaged"),
            (b"\x1f\x8b\x08" + b"x" * 100, "archive-damaged"),
            (pickle.dumps({"fc.weight": 1}, 2), "torch-legacy"),
            (foreign()[:-1], "safetensors-header"),
        ],
    )
    def test_containers_that_are_not_sound(self, client, left, content, reason):
        problem = client.post("/tickets", content=content).json()
        assert (problem["type"], problem["reason"]) == (PROBLEM + "unreadable-file", reason)
        assert left() == []

    def test_no_known_container_is_no_ticket(self, client, left):
        answer = client.post("/tickets", content=b"hello" * 100)
        assert answer.json()["type"] == PROBLEM + "invalid-ticket"
        said = client.post("/tickets", content=b"hello" * 100, params={"format": "dense"})
        assert (said.json()["type"], said.json()["reason"]) == (
            PROBLEM + "unreadable-file",
            "container-unknown",
        )
        assert left() == []

    @pytest.mark.parametrize(
        ("name", "value", "accepted"),
        [
            ("format", "keras", "open_lth, huggingface, torch_prune"),
            ("dataset", "imagenet21k", "digits, digits_32, mnist"),
            ("input", "3x32x32", "text that matches"),
            ("input", "3,4097,32", "text that matches"),
            ("seed", "-1", "≥ 0"),
            ("level", "x", ""),
            ("colour", "red", "tag, format, architecture"),
        ],
    )
    def test_a_parameter_that_says_nothing(self, client, left, name, value, accepted):
        answer = client.post("/tickets", content=foreign(), params={name: value})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["in"], error["where"]) == (422, "query", name)
        assert (error.get("accepted") or "").startswith(accepted)
        assert left() == []

    def test_a_ticket_file_says_everything_itself(self, client, make_ticket, left):
        params = {"dataset": "digits", "level": 3, "tag": "a"}
        answer = client.post("/tickets", content=make_ticket(), params=params)
        assert (answer.status_code, answer.json()["type"]) == (422, PROBLEM + "invalid-request")
        assert [error["where"] for error in answer.json()["errors"]] == ["dataset", "level"]
        assert left() == []

    def test_a_later_version_of_a_ticket_file_is_no_import(self, client, make_ticket):
        content = make_ticket().replace(b"elasticket/1", b"elasticket/2")
        problem = client.post("/tickets", content=content).json()
        assert (problem["type"], problem["failure"]) == (PROBLEM + "invalid-ticket", "format-unknown")


class TestFailed:
    @pytest.fixture
    def failed(self, client, worker) -> str:
        job = client.post("/tickets", content=foreign()).json()["id"]
        details = {"reason": "mask-value", "where": "fc.weight", "accepted": "0 and 1"}
        worker.fail(job, worker.claim(job), Failure("unreadable", "mask value at fc.weight", details))
        return job

    def test_why_is_told_with_its_place(self, client, failed):
        error = client.get(f"/jobs/{failed}").json()["error"]
        assert error["details"] == {"reason": "mask-value", "where": "fc.weight", "accepted": "0 and 1"}

    def test_it_is_not_retried_for_its_file_is_gone(self, client, failed):
        assert "retry" not in client.get(f"/jobs/{failed}").json()["links"]
        answer = client.post(f"/jobs/{failed}/retry")
        assert (answer.status_code, answer.json()["type"]) == (409, PROBLEM + "wrong-state")
        assert "upload it again" in answer.json()["detail"]
