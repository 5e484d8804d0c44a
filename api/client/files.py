"""Files on their way: read from disk as they are sent, written to disk as they come, and checked."""

from __future__ import annotations

import hashlib
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from api.client.errors import ApiError
from api.client.transport import Backoff, Transport, pause

_BLOCK = 1 << 20
LEAST_PAUSE = 0.5
"""Seconds between two looks whether a file has been made."""
_SHA256 = re.compile(r'"([0-9a-f]{64})"')


@contextmanager
def opened(source: Path | str | BinaryIO) -> Iterator[BinaryIO]:
    """The bytes of a file, or of a folder as a tar."""
    if not isinstance(source, (str, Path)):
        yield source
        return
    path = Path(source)
    if path.is_file():
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as packed:
        # Links are sent as what they lead to: no server unpacks a link.
        with tarfile.open(fileobj=packed, mode="w", dereference=True) as archive:
            archive.add(path, arcname=path.resolve().name)
        packed.seek(0)
        yield packed


def rewinding(file: BinaryIO) -> Callable[[], Any] | None:
    """What goes back to where a file stands now; None where that cannot be done."""
    if not file.seekable():
        return None
    start = file.tell()
    return lambda: file.seek(start)


class Files(Transport):
    """Downloads."""

    def download(
        self, path: str, to: Path | str, query: Mapping[str, Any] | None = None, *, digest: bool = False
    ) -> Path:
        """Download a file, waiting while it is being made; an unfinished or damaged one leaves nothing at `to`.

        `digest`: its ETag is the SHA-256 of its bytes.
        """
        target = Path(to)
        partial = target.with_name(target.name + ".part")
        backoff = Backoff(self._patience)
        try:
            while True:
                try:
                    with self.stream(path, query) as response:
                        if response.status_code != httpx.codes.ACCEPTED:
                            _save(response, partial, digest)
                            break
                except ApiError as error:
                    if not error.passing or not backoff.again():
                        raise
                else:
                    backoff.rest(max(pause(response), LEAST_PAUSE))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target


def _save(response: httpx.Response, path: Path, checked: bool) -> None:
    """Write a body; raises ApiError where it is not what its ETag says."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in response.iter_bytes(_BLOCK):
            digest.update(chunk)
            file.write(chunk)
    stated = _SHA256.fullmatch(response.headers.get("ETag", ""))
    if checked and stated and stated[1] != digest.hexdigest():
        detail = f"{response.request.url.path} came with SHA-256 {digest.hexdigest()} instead of {stated[1]}"
        raise ApiError(detail, status=response.status_code, kind="damaged")
