"""The two ways in which a dataset cannot be had."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.jobs.datasets import DatasetFacts


class DatasetMissing(Exception):
    """The files are neither there nor to be had; says where they belong and what they are called."""

    def __init__(self, facts: DatasetFacts, roots: Sequence[Path], reason: str) -> None:
        places = " or ".join(str(root) for root in roots)
        layouts = "; or ".join(", ".join(layout) for layout in facts.layouts)
        super().__init__(f"{facts.name} is not in {places} ({reason}); expected there: {layouts}")


class DatasetInvalid(Exception):
    """A file is there but is not what it should be; names the file and the defect."""

    def __init__(self, source: Path | str, defect: str) -> None:
        super().__init__(source, defect)  # its arguments, so that it passes between processes

    def __str__(self) -> str:
        source, defect = self.args
        return f"{source}: {defect}"
