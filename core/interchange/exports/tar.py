"""Tar files whose bytes depend on nothing but names and contents."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def packing(path: Path) -> Iterator[Path]:
    """Lend a scratch folder beside `path`; what lies in it at the end becomes the tar file there.

    Members are sorted, of mode 0644, and have neither owner nor time; folders have no members of their own.
    """
    with TemporaryDirectory(dir=path.parent) as scratch:
        folder = Path(scratch)
        yield folder
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for file in sorted(file for file in folder.rglob("*") if file.is_file()):
                member = tarfile.TarInfo(file.relative_to(folder).as_posix())
                member.size = file.stat().st_size
                with file.open("rb") as stream:
                    tar.addfile(member, stream)
