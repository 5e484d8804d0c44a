"""Fetches what is missing from where it is published; nothing is put in place before its SHA-256 is right."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from core.datasets.errors import DatasetInvalid, DatasetMissing
from core.jobs.datasets import DatasetFacts, Source

_TIMEOUT = httpx.Timeout(60, connect=10)
_AS_STORED = {"Accept-Encoding": "identity"}  # the checksum is that of the file, not of an encoding of it


def download(facts: DatasetFacts, root: Path) -> tuple[Path, ...]:
    """The files of the dataset's first layout, downloaded into `root`.

    Raises `DatasetMissing` where they cannot be fetched, `DatasetInvalid` where the checksum is another.
    """
    if not facts.sources:
        raise DatasetMissing(facts, [root, root.parent], "it is not downloaded")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as name:
            folder = Path(name)
            for source in facts.sources:
                _fetch(source, folder / source.file)
                if source.file.endswith(".tar.gz"):
                    _unpack(folder / source.file, facts.layouts[0], folder)
            return tuple(_place(file, folder, root) for file in facts.layouts[0])
    except (httpx.HTTPError, OSError) as error:
        raise DatasetMissing(
            facts, [root, root.parent], f"download failed: {error or type(error).__name__}"
        ) from error


def _fetch(source: Source, target: Path) -> None:
    digest = hashlib.sha256()
    with (
        httpx.stream(
            "GET", source.url, headers=_AS_STORED, follow_redirects=True, timeout=_TIMEOUT
        ) as response,
        target.open("wb") as file,
    ):
        response.raise_for_status()
        for chunk in response.iter_raw():
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != source.sha256:
        raise DatasetInvalid(source.url, f"SHA-256 is {digest.hexdigest()}, expected {source.sha256}")


def _unpack(archive: Path, members: Sequence[str], folder: Path) -> None:
    """Take the named regular files out of an archive; nothing else in it is looked at."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in members:
            try:
                content = tar.extractfile(member)
            except KeyError:
                content = None
            if content is None:
                raise DatasetInvalid(archive.name, f"has no file {member}")
            (folder / member).parent.mkdir(parents=True, exist_ok=True)
            with content, (folder / member).open("wb") as file:
                shutil.copyfileobj(content, file)


def _place(file: str, folder: Path, root: Path) -> Path:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    return (folder / file).replace(root / file)
