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
                    with self._file(path, query) as (response, tag):
                        if response.status_code != httpx.codes.ACCEPTED:
                            _save(response, partial, tag if digest else "")
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

    @contextmanager
    def _file(self, path: str, query: Mapping[str, Any] | None) -> Iterator[tuple[httpx.Response, str]]:
        """A file and its ETag, from the object store where the server leads there. Our key is for the server alone."""
        with self.stream(path, query) as response:
            tag, there = response.headers.get("ETag", ""), response.headers.get("Location", "")
            if response.status_code != httpx.codes.TEMPORARY_REDIRECT:
                yield response, tag
                return
        with self._elsewhere("GET", there) as stored:
            yield stored, tag

    @contextmanager
    def _elsewhere(self, method: str, url: str, **request: Any) -> Iterator[httpx.Response]:
        """A request to another server, to which nothing of ours is sent; raises ApiError, which may pass."""
        try:
            with httpx.stream(method, url, timeout=self._http.timeout, **request) as response:
                if response.is_error:
                    response.read()
                    detail = f"{httpx.URL(url).host} answered {response.status_code} {response.reason_phrase}"
                    raise ApiError(detail, status=response.status_code, kind="object-store", passing=True)
                yield response
        except httpx.TransportError as error:
            detail = f"cannot reach {httpx.URL(url).host}: {error or type(error).__name__}"
            raise ApiError(detail, kind="object-store", passing=True) from error


def _save(response: httpx.Response, path: Path, tag: str) -> None:
    """Write a body; raises ApiError where it is not what an ETag says."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in response.iter_bytes(_BLOCK):
            digest.update(chunk)
            file.write(chunk)
    stated = _SHA256.fullmatch(tag)
    if stated and stated[1] != digest.hexdigest():
        detail = f"{response.request.url.path} came with SHA-256 {digest.hexdigest()} instead of {stated[1]}"
        raise ApiError(detail, status=response.status_code, kind="damaged")
