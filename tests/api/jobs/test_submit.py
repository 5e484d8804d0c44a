"""Making jobs over HTTP."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from core.catalog import search
from core.catalog.tables import Job, Outbox
from core.families.definition import made_definition
from core.families.posted import posted_architecture
from core.jobs.states import State
from core.tickets import Metadata, Ticket, write

IMP = {"level": 10, "fraction": 0.2, "scope": "global", "rewind": "point"}
FIND = {"architecture": "mlp_1", "dataset": "digits"}
UNSUITABLE = "urn:elasticket:problem:unsuitable-job"


class TestSubmit:
    def test_a_find_is_queued_completely_and_announced(self, client, database):
        answer = client.post("/find", json=FIND | {"recipe": {"length": "2ep"}, "parameters": {"level": 3}})
        body = answer.json()
        assert answer.status_code == 202
        assert answer.headers["Location"] == body["links"]["self"] == f"/jobs/{body['id']}"
        assert (body["kind"], body["state"], body["meaning"]) == ("find", "queued", "waits for a worker")
        assert body["spec"]["parameters"] == IMP | {"level": 3}
        recipe = body["spec"]["recipe"]
        assert (recipe["length"], recipe["lr"], recipe["dense"]) == ("2ep", 0.1, ["fc.weight"])
        with database.read() as session:
            assert [row.job_id for row in session.scalars(select(Outbox))] == [body["id"]]

    def test_the_methods_defaults_are_written_out(self, client):
        assert client.post("/find", json=FIND).json()["spec"]["parameters"] == IMP

    def test_kind_may_be_stated_and_must_match(self, client):
        assert client.post("/find", json=FIND | {"kind": "find"}).status_code == 202
        answer = client.post("/find", json=FIND | {"kind": "train"})
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "/kind")

    def test_each_kind_of_job(self, client, upload, worker, outcome):
        ticket = upload()
        train = client.post("/train", json={"tickets": [ticket], "dataset": "digits"})
        transform = client.post("/transform", json={"tickets": [ticket], "architecture": "mlp_1"})
        evaluate = client.post("/evaluate", json={"tickets": [ticket], "dataset": "digits"})
        kinds = [answer.json()["kind"] for answer in (train, transform, evaluate)]
        assert kinds == ["train", "transform", "evaluate"]
        job = train.json()["id"]
        assert client.post("/evaluate", json={"job": job, "dataset": "digits"}).json()["type"] == UNSUITABLE
        worker.succeed(job, worker.claim(job), outcome(ticket, 90))
        assert client.post("/evaluate", json={"job": job, "dataset": "digits"}).status_code == 202
        mismatch = client.post("/evaluate", json={"job": job, "dataset": "mnist"})
        assert (mismatch.json()["type"], mismatch.json()["errors"][0]["where"]) == (UNSUITABLE, "/job")

    @pytest.mark.parametrize(
        ("path", "spec", "where"),
        [
            ("/train", {"tickets": ["0" * 64], "dataset": "digits"}, "/tickets/0"),
            ("/evaluate", {"tickets": ["0" * 64], "dataset": "digits"}, "/tickets/0"),
            ("/transform", {"tickets": ["0" * 64], "architecture": "mlp_3"}, "/tickets/0"),
            ("/evaluate", {"job": "0" * 32, "dataset": "digits"}, "/job"),
            ("/find", FIND | {"recipe": {"length": "1ep", "rewind": "12it"}}, "/recipe/rewind"),
            # Everything but fc.weight is pruned away at level 18.
            ("/find", FIND | {"architecture": "mlp_1", "parameters": {"level": 40}}, "/parameters/level"),
            (
                "/find",
                FIND | {"recipe": {"dense": ["fc_layers.0.weight", "fc_layers.1.weight"]}},
                "/parameters/level",
            ),
            ("/find", FIND | {"recipe": {"dense": ["fc.bias"]}}, "/recipe/dense"),
            ("/find", FIND | {"recipe": {"dense": ["\0"]}}, "/recipe/dense"),
            (
                "/find",
                FIND | {"method": "random", "parameters": {"survivors": 10**30}},
                "/parameters/survivors",
            ),
            # Fewer than the output layer has, which the preset keeps dense.
            ("/find", FIND | {"method": "snip", "parameters": {"survivors": 999}}, "/parameters/survivors"),
            (
                "/find",
                FIND | {"method": "synflow", "parameters": {"sparsity": 0.9999}},
                "/parameters/sparsity",
            ),
            (
                "/find",
                FIND
                | {
                    "method": "grasp",
                    "parameters": {"sparsity": 0.5, "at": "rewind"},
                    "recipe": {"length": "1ep", "rewind": "12it"},
                },
                "/recipe/rewind",
            ),
            ("/find", FIND | {"method": "early_bird", "parameters": {}}, "/method"),
        ],
    )
    def test_what_cannot_be_done_is_refused_at_once(self, client, database, path, spec, where):
        answer = client.post(path, json=spec)
        assert answer.status_code == 422
        assert (answer.json()["type"], answer.json()["errors"][0]["where"]) == (UNSUITABLE, where)
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 0

    @pytest.mark.parametrize(
        ("schedule", "where", "accepted"),
        [
            ({"survivors": 999}, "survivors", "1000 to 50200"),
            ({"survivors": 50_201}, "survivors", "1000 to 50200"),
            ({"sparsity": 0.999}, "sparsity", "at most 0.980079"),
            ({"sparsity": 0.9, "begin": 361}, "begin", "at most 360"),
            ({"sparsity": 0.9, "begin": 1801, "multiplier": 5}, "begin", "at most 1800"),
        ],
    )
    def test_a_sparsity_schedule_that_cannot_be_is_refused(self, client, schedule, where, accepted):
        answer = client.post("/train", json=FIND | {"sparsity_schedule": schedule}).json()
        (error,) = answer["errors"]
        assert (answer["type"], error["where"]) == (UNSUITABLE, f"/sparsity_schedule/{where}")
        assert error["accepted"] == accepted

    def test_a_sparsity_schedule_is_written_out(self, client):
        schedule = {"method": "set", "survivors": 1000, "begin": 360}
        answer = client.post("/train", json=FIND | {"sparsity_schedule": schedule})
        assert answer.status_code == 202
        stored = {"sparsity": None, "scope": "erk", "alpha": 0.3, "every": 100, "end": 0.75, "multiplier": 1}
        assert answer.json()["spec"]["sparsity_schedule"] == schedule | stored
        static = {"method": "static", "sparsity": 0.9, "begin": 10_000}
        assert client.post("/train", json=FIND | {"sparsity_schedule": static}).status_code == 202

    def test_a_sparsity_schedule_is_not_for_tickets_and_has_no_other_fields(self, client, upload):
        spec = {"tickets": [upload()], "dataset": "digits", "sparsity_schedule": {"sparsity": 0.9}}
        assert client.post("/train", json=spec).status_code == 422
        wrong = client.post("/train", json=FIND | {"sparsity_schedule": {"sparsity": 0.9, "level": 3}})
        assert [error["where"] for error in wrong.json()["errors"]] == ["/sparsity_schedule/level"]

    def test_the_last_step_before_the_end_may_be_the_rewind_point(self, client):
        # digits: 1437 images are 12 steps of 128.
        answer = client.post("/find", json=FIND | {"recipe": {"length": "1ep", "rewind": "11it"}})
        assert answer.status_code == 202

    def test_every_missing_ticket_is_named(self, client, upload):
        tickets = ["0" * 64, upload(), "1" * 64]
        errors = client.post("/train", json={"tickets": tickets, "dataset": "digits"}).json()["errors"]
        assert [error["where"] for error in errors] == ["/tickets/0", "/tickets/2"]

    def test_a_ticket_for_other_images_is_refused_for_training(self, client, upload):
        answer = client.post("/train", json={"tickets": [upload()], "dataset": "mnist"})
        (error,) = answer.json()["errors"]
        assert (answer.json()["type"], error["where"]) == (UNSUITABLE, "/tickets/0")
        assert error["accepted"] == "input [1, 28, 28] and 10 classes"

    def test_a_ticket_that_restarts_past_the_end_is_refused(self, client, upload):
        ticket = upload(rewind_step=24)
        spec = {"tickets": [ticket], "dataset": "digits", "recipe": {"length": "2ep"}}
        assert client.post("/train", json=spec).json()["errors"][0]["where"] == "/tickets/0"
        assert client.post("/train", json=spec | {"recipe": {"length": "3ep"}}).status_code == 202
        elsewhere = upload(1, rewind_step=24, dataset="mnist")
        assert client.post("/train", json=spec | {"tickets": [elsewhere]}).status_code == 202

    def test_tickets_of_two_families_need_a_preset(self, client, upload):
        tickets = [upload(1), upload(2, name="cifar_resnet_8", shape=(1, 8, 8))]
        spec = {"tickets": tickets, "dataset": "digits"}
        assert client.post("/train", json=spec).json()["errors"][0]["where"] == "/recipe/preset"
        chosen = client.post("/train", json=spec | {"recipe": {"preset": "cifar_resnet"}})
        assert chosen.json()["spec"]["recipe"]["lr"] == 0.1

    def test_a_refused_transformation_names_stage_and_unit(self, client, upload):
        ticket = upload(name="mlp_2")
        spec = {"tickets": [ticket], "architecture": "mlp_3", "unit_map": "0:0;1:1;2:3"}
        problem = client.post("/transform", json=spec).json()
        assert problem["type"] == "urn:elasticket:problem:refused-transformation"
        assert (problem["status"], problem["reason"]) == (422, "unmapped_target")
        assert (problem["stage"], problem["unit"]) == ("hidden", 2)

    def test_a_target_of_another_family_or_none_is_refused(self, client, upload):
        ticket = upload()
        other = client.post("/transform", json={"tickets": [ticket], "architecture": "cifar_resnet_20"})
        assert other.json()["reason"] == "stages_differ"
        unknown = client.post("/transform", json={"tickets": [ticket], "architecture": "mlp_x"})
        assert (unknown.status_code, unknown.json()["errors"][0]["where"]) == (422, "/architecture")


class TestRecipesThatContradictThemselves:
    @pytest.mark.parametrize(
        ("recipe", "field", "accepted"),
        [
            ({"optimizer": "adam"}, "optimizer", "momentum 0, or sgd"),
            ({"schedule": "cosine"}, "schedule", "milestones [], or steps"),
            ({"momentum": 0, "nesterov": True}, "nesterov", "a momentum above 0"),
        ],
    )
    def test_the_field_is_named_with_what_would_be_accepted(self, client, recipe, field, accepted):
        spec = {"architecture": "cifar_resnet_8", "dataset": "cifar10", "recipe": recipe}
        for path in ("/find", "/train"):
            answer = client.post(path, json=spec)
            (error,) = answer.json()["errors"]
            assert (answer.status_code, error["where"]) == (422, f"/recipe/{field}")
            assert error["accepted"] == accepted

    def test_without_the_presets_momentum_and_milestones_adam_and_cosine_are_taken(self, client):
        recipe = {"optimizer": "adam", "momentum": 0, "lr": 0.001, "schedule": "cosine", "milestones": []}
        spec = {"architecture": "cifar_resnet_8", "dataset": "cifar10", "recipe": recipe}
        stored = client.post("/find", json=spec).json()["spec"]["recipe"]
        assert stored.items() >= recipe.items()


class TestArchitecturesThatAreNotBuiltIn:
    RECIPE = {"preset": "cifar_resnet", "length": "2ep", "rewind": "1it"}  # noqa: RUF012

    def test_one_of_timms_is_left_to_a_worker(self, client):
        spec = {"architecture": "timm:vit_tiny_patch16_224", "dataset": "cifar10", "recipe": self.RECIPE}
        find = client.post("/find", json=spec)
        assert (find.status_code, find.json()["spec"]["recipe"]["lr"]) == (202, 0.1)
        assert client.post("/train", json=spec).status_code == 202

    @pytest.mark.parametrize("path", ["/find", "/train"])
    def test_it_has_no_preset_of_its_own(self, client, path):
        spec = {"architecture": "timm:resnet18", "dataset": "cifar10"}
        (error,) = client.post(path, json=spec).json()["errors"]
        assert error["where"] == "/recipe/preset"
        assert "cifar_resnet" in error["accepted"]

    def test_what_needs_no_tensors_is_checked_all_the_same(self, client):
        recipe = self.RECIPE | {"rewind": "2ep"}
        spec = {"architecture": "timm:resnet18", "dataset": "cifar10", "recipe": recipe}
        assert client.post("/find", json=spec).json()["errors"][0]["where"] == "/recipe/rewind"

    @pytest.fixture
    def posted(self, client) -> str:
        """A ticket of a family that comes with it."""
        tensors = {"b.0.weight": [64, 64], "b.1.weight": [64, 64], "out.weight": [10, 64]}
        network = posted_architecture(
            made_definition(
                {
                    "name": "chain",
                    "input": [1, 8, 8],
                    "classes": 10,
                    "prunable": ["*"],
                    "stages": [{"name": "b", "pattern": "b.{unit}."}],
                    "tensors": tensors,
                }
            )
        )
        ones = {spec.name: np.ones(spec.shape, np.float32) for spec in network.tensors}
        masks = {spec.name: np.eye(*spec.shape, dtype=bool) for spec in network.prunable}
        write(Ticket.from_dense(network, 0, masks, ones), Metadata(), stream := io.BytesIO())
        return client.post("/tickets", content=stream.getvalue()).raise_for_status().json()["id"]

    def test_a_posted_one_is_stretched(self, client, posted):
        spec = {"tickets": [posted], "architecture": "chain:4"}
        assert client.post("/transform", json=spec).status_code == 202
        (plan,) = client.post("/transform", params={"dry_run": True}, json=spec).json()["tickets"]
        assert (plan["unit_map"], plan["after"]["survivors"]) == ("0:0,2;1:1,3", 4 * 64 + 10)

    @pytest.mark.parametrize("path", ["/train", "/evaluate"])
    def test_a_posted_one_cannot_be_trained_or_measured(self, client, posted, path):
        answer = client.post(path, json={"tickets": [posted], "dataset": "digits"})
        (error,) = answer.json()["errors"]
        assert (answer.json()["type"], error["where"]) == (UNSUITABLE, "/tickets/0")
        assert "not known here" in error["what"]

    def test_a_posted_one_has_no_file_that_holds_the_network(self, client, posted):
        answer = client.get(f"/tickets/{posted}/file?format=onnx")
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:elasticket:problem:export-failed")
        assert (
            client.get(f"/tickets/{posted}/file?format=dense", headers={"Prefer": "wait=0"}).status_code
            == 202
        )


class TestPrefer:
    def test_the_finished_job_is_the_answer(self, client, database, worker, outcome):
        def finish() -> None:
            while True:
                with database.read() as session:
                    found = search.page(session, 1).rows
                if found:
                    worker.succeed(found[0].id, worker.claim(found[0].id), outcome(None, 97))
                    return
                time.sleep(0.02)

        thread = threading.Thread(target=finish)
        thread.start()
        answer = client.post("/find", json=FIND, headers={"Prefer": "respond-async, wait=20"})
        thread.join()
        assert (answer.status_code, answer.json().get("state", answer.text)) == (200, "succeeded")
        assert answer.headers["Preference-Applied"] == "wait=20"
        assert answer.headers["Location"] == f"/jobs/{answer.json()['id']}"
        assert [row["accuracy"] for row in answer.json()["outputs"]["results"]] == [0.97]

    def test_a_job_that_takes_longer_is_answered_as_it_is(self, client):
        answer = client.post("/find", json=FIND, headers={"Prefer": "wait=1"})
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")

    def test_any_number_of_digits_is_capped(self, client, worker, database):
        first = client.post("/find", json=FIND, headers={"Idempotency-Key": "k"}).json()["id"]
        worker.fail(first, worker.claim(first))
        for wait in ("9" * 5000, "000061", "0" * 5000 + "61"):
            headers = {"Prefer": f"wait={wait}", "Idempotency-Key": "k"}
            answer = client.post("/find", json=FIND, headers=headers)
            assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=60")

    def test_a_retry_waits_too(self, client, worker):
        failed = client.post("/find", json=FIND).json()["id"]
        worker.fail(failed, worker.claim(failed))
        answer = client.post(f"/jobs/{failed}/retry", headers={"Prefer": "wait=1", "Idempotency-Key": "r"})
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=1")
        again = answer.json()["id"]
        worker.succeed(again, worker.claim(again))
        answer = client.post(f"/jobs/{failed}/retry", headers={"Prefer": "wait=5", "Idempotency-Key": "r"})
        assert (answer.status_code, answer.json()["id"]) == (200, again)

    @pytest.mark.parametrize("preference", ["wait=soon", "wait=0", "wait=-1"])
    def test_another_preference_is_ignored(self, client, preference):
        answer = client.post("/find", json=FIND, headers={"Prefer": preference})
        assert answer.status_code == 202
        assert "Preference-Applied" not in answer.headers


class TestIdempotency:
    def test_a_replay_finds_the_same_job(self, client):
        headers = {"Idempotency-Key": "k"}
        first = client.post("/find", json=FIND, headers=headers)
        # Another order of keys and a default written out are the same request.
        again = client.post("/find", json={"seeds": [0], **dict(reversed(FIND.items()))}, headers=headers)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers["Location"] == first.headers["Location"]

    def test_other_content_is_refused(self, client):
        headers = {"Idempotency-Key": "k"}
        client.post("/find", json=FIND, headers=headers)
        answer = client.post("/find", json=FIND | {"seeds": [1]}, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (
            422,
            "urn:elasticket:problem:idempotency-key-reused",
        )
        assert answer.json()["errors"][0]["where"] == "Idempotency-Key"

    def test_a_key_belongs_to_its_route(self, client, upload):
        headers = {"Idempotency-Key": "k"}
        client.post("/find", json=FIND, headers=headers)
        answer = client.post("/train", json=FIND, headers=headers)
        assert (answer.status_code, answer.json()["kind"]) == (202, "train")

    def test_a_key_that_cannot_be_stored_is_refused(self, client):
        answer = client.post("/find", json=FIND, headers={"Idempotency-Key": "k" * 256})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["in"], error["where"]) == (422, "header", "idempotency-key")

    def test_requests_at_once_make_one_job(self, address, database):
        def send(_: int) -> tuple[int, str, bool]:
            answer = httpx.post(f"{address}/find", json=FIND, headers={"Idempotency-Key": "k"}, timeout=30)
            return answer.status_code, answer.json()["id"], "Idempotency-Replayed" in answer.headers

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(8)))
        assert {status for status, _, _ in answers} == {202}
        assert len({identity for _, identity, _ in answers}) == 1
        assert sorted(replayed for _, _, replayed in answers) == [False] + [True] * 7
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 1


class TestSteer:
    @pytest.fixture
    def job(self, client) -> str:
        return client.post("/find", json=FIND).json()["id"]

    def test_a_queued_job_is_cancelled_at_once_and_can_be_retried(self, client, job):
        cancelled = client.post(f"/jobs/{job}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
        assert "cancel" not in cancelled.json()["links"]
        again = client.post(cancelled.json()["links"]["retry"])
        assert (again.status_code, again.json()["retry_of"]) == (202, job)
        assert again.json()["spec"] == cancelled.json()["spec"]
        assert again.headers["Location"] == f"/jobs/{again.json()['id']}" != f"/jobs/{job}"

    def test_a_running_job_is_asked_to_stop_and_asking_again_changes_nothing(self, client, job, worker):
        worker.claim(job)
        for _ in range(2):
            answer = client.post(f"/jobs/{job}/cancel")
            assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
            assert "cancel" not in answer.json()["links"]
        events = client.get(f"/jobs/{job}").json()
        assert events["state"] == State.CANCELLING

    def test_a_cancelled_job_is_cancelled_again_to_no_effect(self, client, job):
        first, again = client.post(f"/jobs/{job}/cancel"), client.post(f"/jobs/{job}/cancel")
        assert (again.status_code, again.json()) == (202, first.json())

    def test_an_ended_job_cannot_be_cancelled(self, client, job, worker):
        worker.succeed(job, worker.claim(job))
        answer = client.post(f"/jobs/{job}/cancel")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:elasticket:problem:wrong-state")
        assert answer.json()["state"] == "succeeded"

    @pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
    def test_only_what_failed_or_was_cancelled_is_retried(self, client, job, worker, state):
        if state != "queued":
            attempt = worker.claim(job)
        if state == "succeeded":
            worker.succeed(job, attempt)
        answer = client.post(f"/jobs/{job}/retry")
        assert (answer.status_code, answer.json()["state"]) == (409, state)

    def test_a_retry_with_a_key_makes_one_job(self, client, job, worker):
        worker.fail(job, worker.claim(job))
        made = {
            client.post(f"/jobs/{job}/retry", headers={"Idempotency-Key": "r"}).json()["id"] for _ in "ab"
        }
        assert len(made) == 1

    @pytest.mark.parametrize("verb", ["cancel", "retry"])
    def test_a_job_that_is_not_there(self, client, verb):
        assert client.post(f"/jobs/{'0' * 32}/{verb}").status_code == 404
