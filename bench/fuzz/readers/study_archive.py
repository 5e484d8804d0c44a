"""A study's archive, zip and all."""

from __future__ import annotations

from bench.fuzz import samples
from bench.fuzz.readers import study_json
from bench.fuzz.unpacking import opened_study
from core.interchange.studies import BadArchive

REFUSED = (BadArchive,)


def seeds() -> list[bytes]:
    """A study without tickets."""
    return [samples.zipped({"study.json": study_json.seeds()[0], "README.txt": b"read me"})]


def read(data: bytes) -> None:
    """Open it, and all its tickets."""
    opened_study(data)
