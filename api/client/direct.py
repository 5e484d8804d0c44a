"""Large files are sent to the object store itself, where the installation has one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Unpack

from api.client.errors import ApiError
from api.client.files import Files
from api.client.models.jobs import Job
from api.client.models.queries import CompleteUploadQuery
from api.client.models.requests import UploadRequest
from api.client.models.tickets import Upload, UploadPart
from api.client.transport import Backoff, new_key

LEAST_BYTES = 8 << 20
"""A smaller file is sent with one request, which is answered with its ticket at once."""
_BLOCK = 1 << 20
_NOT_OFFERED = frozenset({"no-direct-uploads", "not-found", "method-not-allowed"})


class DirectUploads(Files):
    """Routes under /uploads."""

    def begin_upload(self, **file: Unpack[UploadRequest]) -> Upload:
        """Addresses to send a file to; then complete the upload. Most will want `push`."""
        return self.post(Upload, "/uploads", file)

    def complete_upload(self, upload: str, **said: Unpack[CompleteUploadQuery]) -> Job:
        """Say that a file was sent: the job that verifies and imports it."""
        return self.post(Job, f"/uploads/{upload}/complete", query=said)

    def _push_directly(self, file: BinaryIO, said: CompleteUploadQuery) -> Job | None:
        """Send a file's bytes from where it stands to the object store; the job that verifies and imports it.

        None where the installation offers that not, or where the file is small or cannot be read twice; it stands
        where it stood then.
        """
        if not file.seekable():
            return None
        start = file.tell()
        size = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        if size < LEAST_BYTES:
            return None
        digest = hashlib.sha256()
        for block in _blocks(file, start, size):
            digest.update(block)
        announced, key = {"size": size, "sha256": digest.hexdigest()}, new_key()

        def begun() -> Upload:
            return self.parsed(Upload, self.send("POST", "/uploads", json=announced, headers=key))

        try:
            upload = begun()
        except ApiError as error:
            file.seek(start)
            if error.kind not in _NOT_OFFERED:
                raise
            return None
        self._send_parts(file, start, upload.parts, begun)
        return self.complete_upload(upload.id, **said)

    def _send_parts(
        self, file: BinaryIO, start: int, parts: Sequence[UploadPart], again: Callable[[], Upload]
    ) -> None:
        """Send each part, until it has arrived; `again` gives new addresses, for old ones expire."""
        backoff = Backoff(self._patience)
        number = 0
        while number < len(parts):
            part = parts[number]
            headers = {**part.headers, "Content-Length": str(part.size)}
            blocks = _blocks(file, start + part.offset, part.size)
            try:
                with self._elsewhere("PUT", part.url, content=blocks, headers=headers):
                    pass
            except ApiError:
                if not backoff.again():
                    raise
                parts = again().parts
            else:
                backoff.succeeded()
                number += 1


def _blocks(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size > 0 and (block := file.read(min(_BLOCK, size))):
        size -= len(block)
        yield block
