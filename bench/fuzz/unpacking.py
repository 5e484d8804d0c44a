"""Archives, unpacked within a limit that mutation can reach."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.fuzz.reader import Scratch
from core.interchange.archives import Archive, unpack
from core.interchange.studies import open_study
from core.studies.archive import StudyArchive

LIMIT = 1 << 16
_SCRATCH = Scratch()


def unpacked(data: bytes, container: Archive) -> dict[str, bytes]:
    """The members of an archive by name, of `LIMIT` bytes in all at most; raises `Unreadable`."""
    with _folder() as folder:
        files = unpack(_SCRATCH.file(data), container, folder, LIMIT, lambda _: True)
        found = {name: path.read_bytes() for name, path in files.items()}
        assert {path.parent for path in files.values()} <= {folder}, "written elsewhere"
        assert sum(map(len, found.values())) <= LIMIT, "more than the limit"
        return found


def opened_study(data: bytes) -> StudyArchive:
    """What a study's archive says, its tickets read; raises `BadArchive`."""
    with _folder() as folder:
        opened = open_study(_SCRATCH.file(data), folder, 1 << 20)
        for _ in opened.tickets():
            pass
        return opened.archive


@contextmanager
def _folder() -> Iterator[Path]:
    folder = _SCRATCH.path / "unpacked"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
