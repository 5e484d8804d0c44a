"""Who comes in, and how those are answered who do not."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.catalog import keys
from core.catalog.database import Database
from core.catalog.key_text import KeyText

Key = Callable[..., str]
Keyed = Callable[..., httpx.Client]
CHANGES = {"architecture": "mlp_1", "dataset": "digits"}


def get(stranger: httpx.Client, key: str, path: str = "/jobs") -> httpx.Response:
    return stranger.get(path, headers={"Authorization": f"Bearer {key}"})


class TestStrangers:
    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/static/style.css", "/ui/sign-in"])
    def test_these_are_open(self, stranger: httpx.Client, path: str) -> None:
        assert stranger.get(path).status_code == 200

    @pytest.mark.parametrize(
        "path",
        ["/jobs", "/openapi.json", "/fleet", "/keys", "/nowhere", "/jobs/" + "0" * 32, "/static/../jobs"],
    )
    def test_all_else_is_not_even_said_to_be_there(self, stranger: httpx.Client, path: str) -> None:
        answer = stranger.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:elasticket:problem:unauthenticated"
        assert answer.json()["detail"] == "An API key is needed: none was sent."

    def test_no_body_is_read_before(self, stranger: httpx.Client) -> None:
        answer = stranger.post("/find", content=b"{not json", headers={"Content-Type": "application/json"})
        assert answer.status_code == 401

    def test_a_browser_is_sent_to_sign_in(self, stranger: httpx.Client) -> None:
        answer = stranger.get("/jobs?state=failed", headers={"Accept": "text/html"})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/ui/sign-in?back=%2Fui%2Fjobs%3Fstate%3Dfailed"


class TestKeys:
    def test_a_good_one_comes_in(self, stranger: httpx.Client, key: Key) -> None:
        assert get(stranger, key()).status_code == 200
        assert stranger.get("/jobs", headers={"Authorization": f"bearer  {key()}"}).status_code == 200

    def test_a_mistyped_one_is_told_from_one_that_is_not_known(
        self, stranger: httpx.Client, key: Key
    ) -> None:
        good = key()
        mistyped = get(stranger, good[:-1] + ("0" if good[-1] != "0" else "1")).json()["detail"]
        unknown = get(stranger, KeyText.new().text)
        assert "checksum is wrong" in mistyped
        assert "not known, has expired or was revoked" in unknown.json()["detail"]
        assert unknown.status_code == 401

    def test_one_that_expired_or_was_revoked_is_answered_as_one_that_never_was(
        self, stranger: httpx.Client, key: Key, database: Database
    ) -> None:
        expired, revoked = key(seconds=-1), key()
        with database.write() as session:
            keys.revoke(session, KeyText.read(revoked).id)
        answers = [get(stranger, one) for one in (expired, revoked, KeyText.new().text)]
        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.text for answer in answers}) == 1

    def test_another_scheme_is_refused(self, stranger: httpx.Client, key: Key) -> None:
        answer = stranger.get("/jobs", auth=("user", key()))
        assert answer.status_code == 401
        assert "scheme" in answer.json()["detail"]

    def test_that_it_was_used_is_noted(self, stranger: httpx.Client, key: Key, database: Database) -> None:
        text = key()
        get(stranger, text)
        with database.read() as session:
            row = keys.get(session, KeyText.read(text).id)
            assert row is not None
            assert row.last_used_at is not None

    def test_no_answer_repeats_a_key(self, stranger: httpx.Client, key: Key) -> None:
        good = key()
        wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
        for sent in (good + "x", wrong, KeyText.new().text):
            answer = get(stranger, sent)
            assert answer.status_code == 401
            assert sent.split("_")[2] not in answer.text


class TestScopes:
    @pytest.mark.parametrize(("scope", "read", "write", "admin"), [
        ("read", 200, 403, 403), ("write", 200, 202, 403), ("admin", 200, 202, 200),
    ])  # fmt: skip
    def test_each_allows_what_those_before_it_do(
        self, keyed: Keyed, scope: str, read: int, write: int, admin: int
    ) -> None:
        client = keyed(scope=scope)
        assert client.get("/jobs").status_code == read
        assert client.post("/find", json=CHANGES).status_code == write
        assert client.get("/keys").status_code == admin

    def test_what_is_needed_is_said(self, keyed: Keyed) -> None:
        answer = keyed(scope="read").post("/find", json=CHANGES)
        problem: dict[str, Any] = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["scope"] == "write"
        assert problem["errors"][0]["accepted"] == "write or admin"


class TestBrowsers:
    SAME = {"Sec-Fetch-Site": "same-origin"}  # noqa: RUF012

    def signed_in(self, stranger: httpx.Client, text: str, **more: str) -> httpx.Response:
        form = {"key": text} | more
        return stranger.post("/ui/sign-in", data=form, headers=self.SAME | {"Accept": "text/html"})

    def test_a_key_is_given_for_a_cookie_that_no_script_reads(self, stranger: httpx.Client, key: Key) -> None:
        answer = self.signed_in(stranger, key(scope="write"), back="/ui/tickets?family=mlp")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/ui/tickets?family=mlp"
        cookie = answer.headers["set-cookie"].lower()
        assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "secure" not in cookie
        page = stranger.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert "Sign out" in page.text
        assert stranger.get("/jobs").status_code == 200

    def test_over_https_it_is_sent_over_https_alone(self, stranger: httpx.Client, key: Key) -> None:
        headers = self.SAME | {"X-Forwarded-Proto": "https"}
        answer = stranger.post("/ui/sign-in", data={"key": key()}, headers=headers)
        assert "secure" in answer.headers["set-cookie"].lower()

    @pytest.mark.parametrize(
        "back", ["//evil.example", "https://evil.example/", "/\\evil.example", "x", "/a\nb"]
    )
    def test_it_leads_nowhere_else(self, stranger: httpx.Client, key: Key, back: str) -> None:
        assert self.signed_in(stranger, key(), back=back).headers["location"] == "/"

    def test_what_is_no_key_or_not_known_is_told_and_signs_nobody_in(self, stranger: httpx.Client) -> None:
        for text, told in (
            ("x", "Not an API key"),
            (KeyText.new().text, "not known, has expired or was revoked"),
        ):
            answer = self.signed_in(stranger, text)
            assert answer.status_code == 401
            assert told in re.sub(r"\s+", " ", answer.text)
            assert "set-cookie" not in answer.headers
            assert text not in answer.text.replace('"/x"', "") or text == "x"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {},
        ],
    )
    def test_what_another_site_has_it_send_changes_nothing(
        self, stranger: httpx.Client, key: Key, headers: dict[str, str]
    ) -> None:
        self.signed_in(stranger, key(scope="write"))
        assert stranger.post("/find", json=CHANGES, headers=headers).status_code == 403
        assert stranger.get("/jobs").json()["items"] == []
        assert stranger.post("/find", json=CHANGES, headers=self.SAME).status_code == 202

    def test_another_site_signs_nobody_in(self, stranger: httpx.Client, key: Key) -> None:
        answer = stranger.post("/ui/sign-in", data={"key": key()}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers

    def test_a_program_with_a_key_need_not_say_where_it_is(self, keyed: Keyed) -> None:
        assert keyed(scope="write").post("/find", json=CHANGES).status_code == 202

    def test_signing_out_ends_it_here_and_for_whoever_kept_the_cookie(
        self, stranger: httpx.Client, key: Key
    ) -> None:
        self.signed_in(stranger, key())
        kept = dict(stranger.cookies)
        answer = stranger.post("/ui/sign-out", headers=self.SAME)
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/sign-in")
        assert not stranger.cookies
        stranger.cookies.update(kept)
        assert stranger.get("/jobs").status_code == 401
