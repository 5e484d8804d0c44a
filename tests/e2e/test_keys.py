"""An installation that asks for keys, from the first key to a browser that watches a job: all real processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from api.client import ApiError, Client

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
FIND = {"architecture": "mlp_1", "dataset": "digits"}
SHORT = {"length": "2ep", "rewind": "3it"}
SCRIPTS = Path(__file__).parents[2] / "scripts"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on the PATH to open the pages with"),
]


def command(home: Path, *words: str, **environment: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        env=os.environ | {"ELASTICKET_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


class TestKeys:
    def test_the_first_is_made_here_and_lets_client_scripts_and_browser_do_everything(
        self, install: "Callable[..., Installation]", tmp_path: Path
    ) -> None:
        started = install("keyed", AUTH="keys")
        for path in ("/jobs", "/tickets", "/fleet"):
            assert started.http.get(path).status_code == 401
        key = command(started.home, "admin", "key", "first")
        theirs = command(started.home, "admin", "key", "theirs", "--project", "vision")

        with Client(started.url, key=key) as client, Client(started.url, key=theirs) as others:
            found = client.wait(client.find(**FIND, parameters={"level": 1}, recipe=SHORT).id)
            assert found.state == "succeeded", found.error
            (ticket,) = found.outputs.tickets
            file = client.pull(ticket, tmp_path / "mine.ticket.safetensors")
            with pytest.raises(ApiError, match="no ticket"):
                others.ticket(ticket)
            assert others.push(file, tag=["theirs"]).tags == ["theirs"]
            assert client.ticket(ticket).tags == []
            trained = client.train(tickets=[ticket], dataset="digits", recipe={"length": "2ep"})
            events = [event.kind for event in client.events(trained.id)]
            assert "epoch" in events
            assert (ended := client.job(trained.id)).state == "succeeded", ended.error
            # The same was done, and is done anew for who may not know.
            again = others.wait(others.find(**FIND, parameters={"level": 1}, recipe=SHORT).id)
            assert again.state == "succeeded", again.error
            assert again.id != found.id
            assert not any(run.shared for run in others.runs(again.id))

        sent = {"ELASTICKET_SERVER": started.url, "ELASTICKET_API_KEY": key}
        assert "nightly" in command(started.home, "keys", "make", "nightly", **sent)
        assert "nightly" in command(started.home, "keys", "list", **sent)
        copied = tmp_path / "copy"
        script = [str(SCRIPTS / "download.sh"), ticket, str(copied)]
        subprocess.run(script, env=os.environ | sent, check=True, capture_output=True)
        assert copied.read_bytes() == file.read_bytes()

        self.browse(started, key, trained.id)

    def browse(self, started: "Installation", key: str, trained: str) -> None:
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"{started.url}/jobs/{trained}")
            assert "/ui/sign-in" in page.url
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"**/ui/jobs/{trained}")
            assert page.evaluate("document.cookie") == ""
            headers = {"Authorization": f"Bearer {key}"}
            body = FIND | {"parameters": {"level": 1}, "recipe": SHORT | {"length": "3ep"}, "seeds": [7]}
            made = httpx.post(f"{started.url}/find", json=body, headers=headers).json()["id"]
            page.goto(f"{started.url}/ui/jobs/{made}")
            # Told by its events, which come through the cookie.
            page.get_by_text("succeeded").first.wait_for(timeout=60_000)
            page.get_by_role("button", name="Sign out").click()
            page.wait_for_url("**/ui/sign-in")
            page.goto(f"{started.url}/ui/tickets")
            assert "/ui/sign-in" in page.url
            browser.close()


class TestListening:
    @pytest.mark.parametrize("words", [("up", "--port", "0"), ("api", "--port", "0")])
    def test_for_strangers_without_keys_is_refused_unless_it_is_said(
        self, words: tuple[str, ...], tmp_path: Path
    ) -> None:
        with pytest.raises(subprocess.CalledProcessError) as refused:
            command(tmp_path, *words, "--host", "0.0.0.0")
        assert refused.value.returncode == 1
        assert "ELASTICKET_AUTH=keys" in refused.value.stderr
        assert "Traceback" not in refused.value.stderr
