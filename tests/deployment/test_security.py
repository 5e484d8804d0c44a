"""The document on security says what is tested: its tables, and the tests that it names."""

from __future__ import annotations

import re
import runpy
from collections import defaultdict
from pathlib import Path

from tests.tables import stated, table

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "docs" / "security.md", ROOT / "SECURITY.md"]
ATTACKS = {
    "ticket file": "tickets/test_attacks.py",
    "container": "interchange/test_attacks_containers.py",
    "tar": "interchange/test_attacks_tars.py",
    "`.pth`": "interchange/test_attacks_pickles.py",
    "format": "interchange/test_attacks_formats.py",
}


def hostile_files() -> list[tuple[object, ...]]:
    """By container and reason: how many files are refused for it, and one of them. Those tests refuse each one."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind, path in ATTACKS.items():
        for row in runpy.run_path(str(ROOT / "tests" / "core" / path))["TABLE"]:
            found[kind, str(row[1])].append(row[0])
    return [(kind, f"`{reason}`", len(names), names[0]) for (kind, reason), names in found.items()]


class TestTables:
    def test_list_every_hostile_file(self) -> None:
        rows = hostile_files()
        made = table(("file", "refused as", "files", "one of them"), rows)
        made += f"\n{sum(int(str(row[2])) for row in rows)} files in all.\n"
        assert stated(DOCUMENTS[0], "hostile files", made), "ELASTICKET_WRITE_DOCUMENTS=1 writes it"


class TestMeasures:
    def test_name_tests_that_are_there(self) -> None:
        for document in DOCUMENTS:
            named = re.findall(r"`(tests/[\w/]+\.py)`", document.read_text())
            assert [path for path in named if not (ROOT / path).is_file()] == []
        measures = DOCUMENTS[0].read_text().partition("## What was tried")[0]
        assert len(set(re.findall(r"`(tests/[\w/]+\.py)`", measures))) > 12
