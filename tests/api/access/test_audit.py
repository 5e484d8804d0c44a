"""What was changed and which keys were refused, as those read it who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.access import refusals
from core.catalog import keys
from core.catalog.database import Database
from core.catalog.key_text import KeyText
from core.catalog.tables import AuditEntry

Keyed = Callable[..., httpx.Client]
FIND = {"architecture": "mlp_1", "dataset": "digits"}


def entries(admin: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get("/audit").raise_for_status().json()["items"]
    return found


def all_entries(database: Database) -> list[AuditEntry]:
    with database.everywhere().read() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.created_at)))


def key_of(client: httpx.Client) -> str:
    return KeyText.read(client.headers["Authorization"].removeprefix("Bearer ")).id


class TestChanges:
    def test_each_is_entered_with_who_did_it_and_what_it_was(self, keyed: Keyed) -> None:
        admin, writer = keyed(scope="admin"), keyed(scope="write")
        made = writer.post("/find", json=FIND)
        job = made.json()["id"]
        writer.patch(f"/jobs/{job}", json={"priority": 7})
        writer.post(f"/jobs/{job}/cancel")
        admin.delete(f"/jobs/{job}")
        told = [(one["method"], one["route"], one["key"], one["resource"]) for one in entries(admin)]
        assert told == [
            ("DELETE", "/jobs/{job}", key_of(admin), job),
            ("POST", "/jobs/{job}/cancel", key_of(writer), job),
            ("PATCH", "/jobs/{job}", key_of(writer), job),
            ("POST", "/find", key_of(writer), job),
        ]
        first = entries(admin)[-1]
        assert first["request_id"] == made.headers["x-request-id"]
        assert (first["by"], first["outcome"], first["address"]) == ("key", "done", "127.0.0.1")

    def test_what_reads_or_is_refused_or_changes_nothing_is_not(self, keyed: Keyed) -> None:
        admin = keyed(scope="admin")
        admin.get("/jobs")
        admin.post("/find", json=FIND | {"dataset": "nowhere"})
        admin.post("/plans", json={})
        admin.delete("/jobs/" + "0" * 32)
        assert entries(admin) == []

    def test_a_repetition_is_entered_once(self, keyed: Keyed) -> None:
        admin = keyed(scope="admin")
        for _ in range(2):
            admin.post("/find", json=FIND, headers={"Idempotency-Key": "k"}).raise_for_status()
        assert len(entries(admin)) == 1

    def test_neither_bodies_nor_secrets_are_kept(self, keyed: Keyed, database: Database) -> None:
        admin = keyed(scope="admin")
        made = admin.post("/keys", json={"name": "a secret name", "scope": "read"}).json()
        admin.post("/ui/sign-in", data={"key": made["key"]}, headers={"Sec-Fetch-Site": "same-origin"})
        kept = repr([vars(entry) for entry in all_entries(database)])
        assert made["id"] in kept
        for secret in ("a secret name", made["key"].split("_")[2], admin.headers["Authorization"][-20:]):
            assert secret not in kept

    def test_signing_in_and_out_are_entered(
        self, keyed: Keyed, stranger: httpx.Client, key: Callable[..., str]
    ) -> None:
        admin, text = keyed(scope="admin"), key()
        same = {"Sec-Fetch-Site": "same-origin"}
        stranger.post("/ui/sign-in", data={"key": text}, headers=same)
        stranger.post("/ui/sign-out", headers=same)
        told = [(one["route"], one["by"], one["key"], one["outcome"]) for one in entries(admin)]
        mine = KeyText.read(text).id
        assert told == [
            ("/ui/sign-out", "cookie", mine, "done"),
            ("/ui/sign-in", "cookie", mine, "done"),
        ]

    def test_where_anyone_may_everything_that_is_said(self, client_of_anyone: httpx.Client) -> None:
        client_of_anyone.post("/find", json=FIND)
        (entry,) = entries(client_of_anyone)
        assert (entry["by"], entry["key"]) == ("anyone", None)

    @pytest.fixture
    def client_of_anyone(self, settings: Any, serve: Any) -> Any:
        from api.app import create_app

        app = create_app(settings.model_copy(update={"auth": "none"}))
        with serve(app) as address, httpx.Client(base_url=address) as client:
            yield client


class TestRefusals:
    def test_a_key_of_too_small_a_scope_is_entered_in_its_project(self, keyed: Keyed) -> None:
        admin, reader = keyed(scope="admin"), keyed()
        assert reader.post("/find", json=FIND).status_code == 403
        assert reader.get("/audit").status_code == 403
        told = [(one["route"], one["key"], one["outcome"]) for one in entries(admin)]
        assert told == [
            ("/audit", key_of(reader), "forbidden"),
            ("/find", key_of(reader), "forbidden"),
        ]

    def test_one_that_was_revoked_is_entered_in_the_project_it_let_into(
        self, keyed: Keyed, stranger: httpx.Client, key: Callable[..., str], database: Database
    ) -> None:
        admin, text = keyed(scope="admin"), key()
        with database.write() as session:
            keys.revoke(session, KeyText.read(text).id)
        where = "/jobs/" + "0" * 32
        assert stranger.get(where, headers={"Authorization": f"Bearer {text}"}).status_code == 401
        (entry,) = entries(admin)
        told = (entry["by"], entry["key"], entry["route"], entry["resource"], entry["outcome"])
        assert told == ("stranger", KeyText.read(text).id, "/jobs/{job}", None, "unauthenticated")

    @pytest.mark.parametrize(
        "sent",
        ["Bearer nonsense", "Basic dXNlcg==", f"Bearer {KeyText.new().text}"],
        ids=["no key", "another scheme", "a key that nobody has"],
    )
    def test_one_that_nobody_has_is_the_operators_to_see(
        self, keyed: Keyed, stranger: httpx.Client, database: Database, sent: str
    ) -> None:
        stranger.get("/jobs?secret=1", headers={"Authorization": sent})
        (entry,) = all_entries(database)
        assert (entry.project, entry.route, entry.outcome) == (None, "/jobs", "unauthenticated")
        assert entries(keyed(scope="admin")) == []

    def test_who_sends_none_is_not(self, stranger: httpx.Client, database: Database) -> None:
        assert stranger.get("/jobs").status_code == 401
        assert all_entries(database) == []

    def test_a_flood_is_answered_and_not_entered(
        self, stranger: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(refusals.A_MINUTE + 20):
            assert stranger.get("/jobs", headers={"Authorization": "Bearer x"}).status_code == 401
        assert refusals.A_MINUTE <= len(all_entries(database)) <= refusals.A_MINUTE + 3


class TestLog:
    def test_it_is_of_the_project_alone_and_paged(self, keyed: Keyed) -> None:
        mine, theirs = keyed(scope="admin"), keyed("vision", "admin")
        jobs = [mine.post("/find", json=FIND | {"seeds": [n]}).json()["id"] for n in range(3)]
        other = theirs.post("/find", json=FIND).json()["id"]
        first = mine.get("/audit?limit=2").json()
        rest = mine.get(first["next"]).json()
        assert [one["resource"] for one in first["items"] + rest["items"]] == jobs[::-1]
        assert rest["next"] is None
        assert [one["resource"] for one in mine.get(f"/audit?resource={jobs[0]}").json()["items"]] == jobs[:1]
        assert mine.get(f"/audit?resource={other}").json()["items"] == []
