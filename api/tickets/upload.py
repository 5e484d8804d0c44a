"""Receives an upload as its bytes arrive: raw, or the `file` of a form. Memory stays flat whatever its size."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass, field

from anyio.to_thread import run_sync
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.problems import INVALID_REQUEST, TOO_LARGE, Flaw, Rejected
from core.catalog.artifacts import Staged
from core.catalog.tickets import MOST_TAGS

TAG = r"^[A-Za-z0-9][A-Za-z0-9 _.:+-]{0,63}$"
_BLOCK = 1 << 20
_LONGEST_FIELD = 256


@dataclass
class Upload:
    """Where an upload goes: counted and written in blocks. `tags` are those that came in the form.

    `count` is told of all bytes as they arrive, and may refuse them.
    """

    staged: Staged
    most: int
    count: Callable[[int], None] = lambda size: None
    size: int = 0
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._block = bytearray()

    def take(self, data: bytes) -> None:
        """Take the next bytes of the file; raises `Rejected` past the limit."""
        self.size += len(data)
        if self.size > self.most:
            accepted = f"at most {self.most} bytes"
            flaw = Flaw(location="body", where="", what="the file is too large", accepted=accepted)
            raise Rejected(TOO_LARGE, f"The file is too large: {accepted} are accepted.", flaw)
        self.count(len(data))
        self._block += data

    async def write(self, *, rest: bool = False) -> None:
        """Write what is held once that is a whole block, or all of it."""
        if len(self._block) >= _BLOCK or rest:
            block, self._block = self._block, bytearray()
            await run_sync(self._write, block, rest)

    def _write(self, block: bytearray, rest: bool) -> None:
        self.staged.write(memoryview(block))
        if rest:
            self.staged.flush()


async def receive_raw(request: Request, upload: Upload) -> None:
    """Receive the request's body into `upload`, whatever it is declared as."""
    await _receive(request, upload, upload.take)


async def receive(request: Request, upload: Upload, fields: Collection[str] = ()) -> dict[str, str]:
    """Receive the request's body, or the `file` of a form, into `upload`; what the form says in these `fields`."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    form = Form(upload, options.get(b"boundary"), fields) if kind == b"multipart/form-data" else None
    if form is None:
        await receive_raw(request, upload)
        return {}
    await _receive(request, upload, form.feed, form.finish)
    return form.said


async def _receive(
    request: Request,
    upload: Upload,
    take: Callable[[bytes], None],
    finish: Callable[[], None] = lambda: None,
) -> None:
    chunks: AsyncGenerator[bytes, None] = request.stream()
    async for chunk in chunks:
        take(chunk)
        await upload.write()
    finish()
    await upload.write(rest=True)


class Form:
    """A multipart form with one `file`, any number of `tag` fields, and the `fields` that are accepted beside them."""

    def __init__(self, upload: Upload, boundary: bytes | None, fields: Collection[str]) -> None:
        if not boundary:
            raise _malformed("the boundary is missing")
        self._upload = upload
        self._fields = fields
        self.said: dict[str, str] = {}
        self._files = 0
        self._name = ""
        self._header = bytearray()
        self._disposition = bytearray()
        self._field = bytearray()
        self._closed = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                    "on_header_value": self._header_value,
                    "on_header_end": self._header.clear,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def finish(self) -> None:
        """Check that the form was complete."""
        if not self._closed:
            raise _malformed("the closing boundary is missing")
        if self._files != 1:
            raise _malformed(f"{self._files} parts are called file", "exactly one part called file")

    def _begin(self) -> None:
        self._disposition.clear()
        self._field.clear()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition += data[start:end]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(bytes(self._disposition))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == "file":
            self._files += 1
        elif self._name != "tag" and self._name not in self._fields:
            raise _malformed(f"unknown part {self._name[:64]!a}", ", ".join(("file", "tag", *self._fields)))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            if self._files == 1:
                self._upload.take(data[start:end])
        elif len(self._field) + end - start > _LONGEST_FIELD:
            raise _malformed(f"{self._name} is too long", f"at most {_LONGEST_FIELD} bytes")
        else:
            self._field += data[start:end]

    def _part_end(self) -> None:
        if self._name in self._fields:
            self.said[self._name] = self._field.decode("utf-8", "replace")
        elif self._name == "tag":
            self._upload.tags.append(self._field.decode("utf-8", "replace"))
            check_tags(self._upload.tags)

    def _end(self) -> None:
        self._closed = True


def check_tags(tags: list[str]) -> None:
    """Refuse what is no tag, and too many; raises `Rejected`."""
    if not all(re.fullmatch(TAG, tag) for tag in tags):
        flaw = Flaw(location="body", where="tag", what="not a tag", accepted=TAG)
        raise Rejected(INVALID_REQUEST, "tag: not a tag", flaw)
    if len(set(tags)) > MOST_TAGS:
        raise too_many_tags(f"{len(set(tags))} tags")


def too_many_tags(what: str) -> Rejected:
    """The refusal of more tags than one ticket may have."""
    flaw = Flaw(location="body", where="tag", what=what, accepted=f"at most {MOST_TAGS} on one ticket")
    return Rejected(INVALID_REQUEST, f"tag: {what}; at most {MOST_TAGS} are accepted on one ticket", flaw)


def _malformed(what: str, accepted: str = "multipart/form-data (RFC 7578)") -> Rejected:
    flaw = Flaw(location="body", where="", what=what, accepted=accepted)
    return Rejected(INVALID_REQUEST, f"The form is malformed: {what}.", flaw)
