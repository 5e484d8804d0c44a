"""What the routes of uploads do. All that is known of an upload lies beside it in the object store."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api import limits
from api.idempotency import Once
from api.problems import TOO_LARGE, Flaw, Rejected, not_found
from api.tickets.imports import ATTEMPTS, Said, import_spec
from api.tickets.upload import check_tags
from api.uploads.problems import DIFFERS, NOT_OFFERED, NOTHING_SENT
from api.uploads.schemas import UploadBody, UploadPart, UploadRequest
from core.catalog import jobs
from core.catalog.artifacts import UPLOAD
from core.catalog.database import Database
from core.catalog.idempotency import KeyReused, Made
from core.catalog.scratch import Scratch
from core.settings import Settings

if TYPE_CHECKING:
    from core.catalog.bucket import Bucket, Kept

_INTENT = "intent.json"
WHOLE_BYTES = 64 << 20
"""A file of at most this size is sent with one request; a larger one in parts of this size."""
MOST_PARTS = 10_000


@dataclass(frozen=True)
class Intent:
    """What is to be sent, and by which project; `upload` is the object store's name for what comes in parts."""

    project: str
    size: int
    sha256: str
    upload: str | None


def begin(
    database: Database, settings: Settings, once: Once, given: UploadRequest
) -> tuple[UploadBody, bool]:
    """Addresses to send a file to, and whether an earlier request with this Idempotency-Key began it."""
    bucket, project = _offered(settings), str(database.project)
    if given.size > settings.max_upload_bytes:
        accepted = f"at most {settings.max_upload_bytes} bytes"
        flaw = Flaw(location="body", where="/size", what="the file is too large", accepted=accepted)
        raise Rejected(TOO_LARGE, f"The file is too large: {accepted} are accepted.", flaw)
    upload_id = _id(project, once)
    beside = bucket.below(upload_id)
    intent, found = _intent(beside), True
    if intent is None:
        in_parts = given.size > WHOLE_BYTES
        intent = Intent(project, given.size, given.sha256, beside.begin(UPLOAD) if in_parts else None)
        beside.write(_INTENT, json.dumps(asdict(intent)).encode())
        found = False
    if (intent.size, intent.sha256) != (given.size, given.sha256):
        raise KeyReused(f"the Idempotency-Key {once.key!r} was used before for the upload of another file")
    seconds = settings.presigned_seconds
    body = UploadBody(
        id=upload_id,
        parts=_parts(beside, intent, seconds),
        expires_at=datetime.fromtimestamp(int(time.time()) + seconds, UTC),
        links={"complete": f"/uploads/{upload_id}/complete"},
    )
    return body, found


def complete(
    database: Database, settings: Settings, once: Once, upload_id: str, said: Said
) -> tuple[Made, bool]:
    """The job that verifies and imports what was sent; its id is the upload's, so that there is one of it."""
    check_tags(said.tag)
    bucket = _offered(settings)
    with database.read() as session:
        if jobs.get(session, upload_id) is not None:
            return Made(202, upload_id), True
    beside = bucket.below(upload_id)
    intent = _intent(beside)
    if intent is None or intent.project != database.project:
        raise not_found("upload", upload_id)
    _require(beside, intent)
    spec = import_spec(intent.sha256, intent.size, said, said.tag)
    content = json.dumps([upload_id, sorted(said.tag), said.conversion], sort_keys=True).encode()

    def create(session: Session) -> Made:
        if jobs.get(session, upload_id) is None:
            jobs.create(session, spec, ATTEMPTS, job_id=upload_id)
            limits.check(session)
            limits.grew(session, intent.size)
        return Made(202, upload_id)

    try:
        return once.make(database, "import", content, create)
    except IntegrityError:  # another request completed it meanwhile
        return Made(202, upload_id), True


def _offered(settings: Settings) -> Bucket:
    if settings.bucket is None or not settings.presigned_seconds:
        raise Rejected(NOT_OFFERED, NOT_OFFERED.example)
    return Scratch(settings).bucket()


def _id(project: str, once: Once) -> str:
    """The upload that this Idempotency-Key began; without one, a new one."""
    if once.key is None:
        return secrets.token_hex(16)
    return hashlib.sha256(json.dumps([project, once.key]).encode()).hexdigest()[:32]


def _intent(beside: Bucket) -> Intent | None:
    from core.catalog.bucket import Absent

    try:
        return Intent(**json.loads(beside.read(_INTENT)))
    except Absent:
        return None


def _parts(beside: Bucket, intent: Intent, seconds: int) -> list[UploadPart]:
    """The requests that send a file. Each is bound to its size; that of a whole file to its SHA-256 too."""
    if intent.upload is None:
        digest = base64.b64encode(bytes.fromhex(intent.sha256)).decode()
        bound: dict[str, Any] = {"ContentLength": intent.size, "ChecksumSHA256": digest}
        url = beside.address("put_object", UPLOAD, seconds, **bound)
        return [UploadPart(offset=0, size=intent.size, url=url, headers={"x-amz-checksum-sha256": digest})]
    each = max(WHOLE_BYTES, -(-intent.size // MOST_PARTS))
    parts = []
    for number, offset in enumerate(range(0, intent.size, each), 1):
        size = min(each, intent.size - offset)
        which: dict[str, Any] = {"UploadId": intent.upload, "PartNumber": number, "ContentLength": size}
        parts.append(
            UploadPart(offset=offset, size=size, url=beside.address("upload_part", UPLOAD, seconds, **which))
        )
    return parts


def _require(beside: Bucket, intent: Intent) -> None:
    """Make one object of what was sent; raises `Rejected` unless it is as large as was announced, and is that file."""
    kept = _sent(beside, intent)
    if kept is None:
        raise Rejected(NOTHING_SENT, NOTHING_SENT.example)
    if kept.size != intent.size or kept.sha256 not in (None, intent.sha256):
        beside.delete_all()
        was, came = (
            (f"{intent.size} bytes were", f"{kept.size} were sent")
            if kept.size != intent.size
            else (f"SHA-256 {intent.sha256} was", f"what was sent has {kept.sha256}")
        )
        raise Rejected(DIFFERS, f"{was} announced, and {came}. They are removed: begin again.")


def _sent(beside: Bucket, intent: Intent) -> Kept | None:
    from core.catalog.bucket import Absent

    if intent.upload is not None:
        with suppress(Absent):  # completed before, or nothing was sent
            beside.complete(UPLOAD, intent.upload)
    with suppress(Absent):
        return beside.head(UPLOAD)
    return None
