"""The README's curl lines that need no worker, run as they are printed."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from core.catalog.artifacts import LocalStore
from core.interchange.exports import torch_prune
from core.interchange.exports.source import Source
from core.jobs.outcome import Outcome, ProducedCopy
from core.tickets import read

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def printed(address, tmp_path):
    """Runs the block that has a word in it; every JSON document that it prints."""

    def run(word: str, **variables: str) -> list[dict]:
        (block,) = (block for block in BLOCKS if word in block and "curl" in block)
        lines = block.replace("http://127.0.0.1:8000", address).replace("wait=60", "wait=0")
        done = subprocess.run(
            ["bash", "-eu", "-c", lines],
            cwd=tmp_path,
            env=variables | {"PATH": "/usr/bin:/bin:/usr/local/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        found, at = [], 0
        while at < len(done.stdout):
            body, at = json.JSONDecoder().raw_decode(done.stdout, at)
            found.append(body)
        return found

    return run


class TestCurl:
    def test_a_dry_run(self, printed, upload):
        (plan,) = printed("dry_run=true", TICKET=upload(name="mlp_2"))
        assert plan["tickets"][0]["hops"] == ["mlp_3", "mlp_5_320"]
        assert plan["tickets"][0]["after"]["survivors"] > 0

    def test_an_architecture_is_posted(self, printed):
        posted, member = printed('"tiny_mixer"')
        assert (posted["name"], member["name"]) == ("tiny_mixer:2", "tiny_mixer:12")
        assert member["prunable"] == 12 * 64 * 64

    def test_a_file_goes_out_in_another_format_and_comes_in_again(
        self, printed, client, upload, worker, settings, make_ticket, tmp_path
    ):
        ticket = upload(name="mlp_2")
        (path := tmp_path / "t").write_bytes(make_ticket(name="mlp_2"))
        file = read(path)
        torch_prune.write(Source(file.ticket, file.metadata, ticket), tmp_path / "theirs")
        with LocalStore(settings.artifact_directory).stage() as staged:
            staged.write((tmp_path / "theirs").read_bytes())
            digest = staged.commit()
        url = f"/tickets/{ticket}/file?format=torch_prune"
        job = client.get(url, headers={"Prefer": "wait=0"}).json()["id"]
        copy = ProducedCopy(ticket, "torch_prune", digest)
        worker.succeed(job, worker.claim(job), Outcome(copies=[copy]))
        (imported,) = printed("mlp_2.prune.pth", TICKET=ticket)
        assert (imported["kind"], imported["state"]) == ("import", "queued")
        assert imported["spec"]["input"] == [1, 8, 8]
        assert imported["spec"]["tags"] == ["theirs"]
        assert (tmp_path / "mlp_2.prune.pth").read_bytes() == (tmp_path / "theirs").read_bytes()
