"""Every command of the README and of `docs/`, run as it is printed, in order, against one `elasticket up`.

A document's `bash` blocks are one script. What a block prints is held against the `output` block after it, numbers
and ids aside; a line `…` there stands for any lines. `bash nightly: REASON` runs nightly alone, `bash norun: REASON`
in no test, but is at least understood. `ELASTICKET_WRITE_DOCUMENTS=1` writes what was printed into blocks that differ.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.core
import typer.main

from cli.main import app
from core.families import FAMILIES
from core.jobs.datasets import DATASETS
from core.jobs.methods import METHODS

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SERVER = "http://127.0.0.1:8000"
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
END = "\x1e"
"""Printed after each block, so that their outputs can be told apart."""
INLINE = re.compile(r"(?<!`)`(elasticket [^`…]+)`")
NIGHTLY = "bash nightly: "
LONG = {"command-line", "operating"}
"""Documents whose every block runs nightly alone: half a minute each of starting and stopping what others start too."""
COMMANDS = ("elasticket ", "curl ", "make ", "python3 -m ", "pip ", "docker ")


@dataclass(frozen=True)
class Fence:
    """A fenced block: the words after the backticks, and the text with its place in the document."""

    info: str
    text: str
    start: int
    end: int


def fences(document: Path) -> list[Fence]:
    """All fenced blocks of a document."""
    found = FENCE.finditer(document.read_text())
    return [Fence(match["info"], match["text"], *match.span("text")) for match in found]


def runs(document: Path, slow: bool = False) -> list[tuple[Fence, Fence | None]]:
    """The blocks that are run, each with the block of its output where there is one."""
    return [
        (block, after if after.info.endswith(" output") else None)
        for block, after in pairwise([*fences(document), Fence("", "", 0, 0)])
        if block.info == "bash" or (slow and block.info.startswith(NIGHTLY))
    ]


def marked(how: str = "bash ") -> list[Fence]:
    """The blocks that do not run in every test."""
    return [block for document in DOCUMENTS for block in fences(document) if block.info.startswith(how)]


def written(slow: bool) -> list[Path]:
    """The documents that have something to run."""
    return [
        document
        for document in DOCUMENTS
        if runs(document, slow) and (not slow or len(runs(document, slow)) > len(runs(document)))
    ]


def commands(text: str) -> list[str]:
    """The commands of a block, their continuation lines joined."""
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def shape(line: str) -> str:
    """A line without what differs from run to run: ids, numbers, and the widths that follow from them."""
    line = re.sub(r"http://127\.0\.0\.1:\d+", SERVER, line)
    line = re.sub(r"(?<![.\w])[0-9a-f]{16,}\b", "ID", line)
    line = re.sub(r"(< )?[+-]?\d[\d,.]*|–", "0", line)
    return re.sub(r"\s+", " ", re.sub("─+", "─", line)).strip()


def agrees(expected: str, printed: str) -> bool:
    """Whether what was printed has the expected lines; `…` stands for any."""
    parts = [
        re.escape(shape(line)) + "\n" if line.strip() != "…" else r"(?:.*\n)*?"
        for line in expected.strip().splitlines()
    ]
    seen = "".join(f"{shape(line)}\n" for line in printed.strip().splitlines())
    return re.fullmatch("".join(parts), seen) is not None


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `elasticket` and `python3`, as an activated environment has them."""
    folder = tmp_path_factory.mktemp("bin")
    for name, words in (("elasticket", [sys.executable, "-m", "cli.main"]), ("python3", [sys.executable])):
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def outputs(
    blocks: list[tuple[Fence, Fence | None]], installation: Installation, tools: Path, folder: Path
) -> list[str]:
    """What each block prints."""
    script = "".join(f"{block.text}printf '{END}'\n" for block, _ in blocks)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script.replace(SERVER, installation.url)],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "ELASTICKET_HOME": str(installation.home),
            "ELASTICKET_SERVER": installation.url,
            "COLUMNS": "110",
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout.split(END)
    assert done.returncode == 0, f"block {len(printed)}: {printed[-1]}{done.stderr}"
    return [output.replace(installation.url, SERVER) for output in printed[:-1]]


def write(document: Path, changes: list[tuple[Fence, str]]) -> None:
    """Put what was printed where it is expected."""
    text = document.read_text()
    for block, output in reversed(changes):
        lines = "\n".join(line.rstrip() for line in output.strip("\n").splitlines())
        text = text[: block.start] + lines + "\n" + text[block.end :]
    document.write_text(text)


def check(document: Path, slow: bool, installation: Installation, tools: Path, folder: Path) -> None:
    """Run a document, and compare what is printed with what it shows."""
    blocks = runs(document, slow)
    differing = [
        (after, output)
        for (_, after), output in zip(blocks, outputs(blocks, installation, tools, folder), strict=True)
        if after is not None and not agrees(after.text, output)
    ]
    if os.environ.get("ELASTICKET_WRITE_DOCUMENTS"):
        write(document, differing)
    assert not differing, "\n".join(f"{after.text}--- is now ---\n{now}" for after, now in differing)


@pytest.mark.e2e
class TestBlocks:
    @pytest.mark.parametrize(
        "document",
        [
            pytest.param(path, id=path.stem, marks=[pytest.mark.nightly] if path.stem in LONG else [])
            for path in written(slow=False)
        ],
    )
    def test_run_as_printed_and_print_what_is_shown(
        self, document: Path, installation: Installation, tools: Path, tmp_path: Path
    ) -> None:
        check(document, False, installation, tools, tmp_path)

    @pytest.mark.nightly
    @pytest.mark.timeout(900)
    @pytest.mark.parametrize("document", written(slow=True), ids=lambda path: path.stem)
    def test_the_slow_ones_too(
        self, document: Path, installation: Installation, tools: Path, tmp_path: Path
    ) -> None:
        check(document, True, installation, tools, tmp_path)

    def test_every_command_is_in_a_block_of_bash(self) -> None:
        elsewhere = [
            (document.name, line)
            for document in DOCUMENTS
            for block in fences(document)
            if not block.info.startswith("bash") and not block.info.endswith("output")
            for line in block.text.splitlines()
            if line.removeprefix("$ ").startswith(COMMANDS)
        ]
        assert not elsewhere


class TestBlocksThatAreNotRun:
    def test_say_why(self) -> None:
        assert all(re.fullmatch(r"bash (norun|nightly): \S.*", block.info) for block in marked())

    def test_have_elasticket_commands_that_are_understood_as_those_within_sentences(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        group = typer.main.get_command(app)
        assert isinstance(group, typer.core.TyperGroup)
        (tmp_path / "lottery_results" / "level_10").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        lines = [line for block in marked() for line in commands(block.text)]
        lines += [line for document in DOCUMENTS for line in INLINE.findall(document.read_text())]
        ours = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("elasticket ")]
        assert len(ours) > 20
        for name, *words in ours:
            if not name.startswith("--"):
                command = group.commands[name]
                # In a sentence a command may be named alone.
                assert not words or command.make_context(name, words)

    def test_have_targets_of_make_that_are_there(self) -> None:
        lines = [line for block in marked() for line in commands(block.text)]
        ours = [shlex.split(line, comments=True) for line in lines if line.startswith("make ")]
        assert ours
        for words in ours:
            subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, check=True)


class TestLists:
    @pytest.mark.parametrize(
        ("document", "names"),
        [("families.md", FAMILIES), ("datasets.md", DATASETS), ("methods.md", METHODS)],
        ids=["families", "datasets", "methods"],
    )
    def test_name_everything_that_there_is(self, document: str, names: dict[str, object]) -> None:
        text = (ROOT / "docs" / document).read_text()
        assert [name for name in names if f"`{name}`" not in text] == []
