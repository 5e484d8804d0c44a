"""Tables in documents that tests state: compared, or written with `ELASTICKET_WRITE_DOCUMENTS=1`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; what a cell says is text."""
    lines = [head, [":--"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _cell(cell: object) -> str:
    return str(cell).replace("|", "\\|")


def stated(document: Path, name: str, made: str) -> bool:
    """Whether a document has this table between its marks `<!-- NAME -->` and `<!-- end -->`; writes it where asked."""
    text = document.read_text()
    found = re.search(rf"<!-- {name} -->\n\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert found is not None, f"{document.name} has no place for {name}"
    if found[1] != made and os.environ.get("ELASTICKET_WRITE_DOCUMENTS"):
        document.write_text(text[: found.start(1)] + made + text[found.end(1) :])
    return found[1] == made
