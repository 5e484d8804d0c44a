"""A bucket on an S3 server: what the stores need of it, in one place. Credentials are boto3's affair: `AWS_*`."""

from __future__ import annotations

import base64
import hashlib
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.catalog.artifacts import StoreAway

PART_BYTES = 16 << 20
"""Files are sent in parts of this size, several at a time; smaller ones whole."""
MOST_PARTS = 10_000
"""Of one file: S3 takes no more."""
_AT_ONCE = 4
_BLOCK = 1 << 20
_CONFIG = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    connect_timeout=5,
    retries={"mode": "standard", "max_attempts": 4},
    # What is sent carries its SHA-256: the checksums that boto3 adds by itself are unknown to older servers.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
_AWAY = "the object store"


class Absent(LookupError):
    """The bucket has no object of this key."""


@dataclass(frozen=True)
class Kept:
    """What a bucket says of an object. `written` in seconds since 1970; `sha256` where it knows that of the whole."""

    size: int
    written: float
    tag: str
    sha256: str | None = None
    version: str | None = None


_COMPLETION_SECONDS = 600
"""To make one object of its parts takes a server minutes, and may be asked once."""


@lru_cache
def _client(endpoint: str | None, seconds: int = 60) -> Any:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    # Of a session of its own: the default one is not for several threads.
    session = boto3.session.Session()
    config = _CONFIG.merge(Config(read_timeout=seconds))
    return session.client("s3", region_name=region, endpoint_url=endpoint, config=config)


def warm() -> None:
    """Make a client, which takes boto3 a tenth of a second, and which processes that are forked from this one share."""
    _client(None)


class Bucket:
    """Objects under a prefix, by their keys below it. Raises `Absent`, and `StoreAway` for whatever else goes wrong."""

    def __init__(self, url: str, endpoint: str = "") -> None:
        self.url = url.rstrip("/")
        self.name, _, prefix = self.url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint or None

    def below(self, folder: str) -> Bucket:
        """The objects of a folder."""
        return Bucket(f"{self.url}/{folder}", self._endpoint or "")

    def _of(self, key: str) -> dict[str, str]:
        return {"Bucket": self.name, "Key": self._prefix + key}

    def look(self) -> None:
        """Raise unless the bucket is there, and open to us."""
        try:
            with _speaking(""):
                _client(None).head_bucket(Bucket=self.name)
        except Absent:
            raise StoreAway(f"{_AWAY}: there is no bucket {self.name}") from None

    def put(self, key: str, path: Path, sha256: str | None = None) -> None:
        """Store a file whole, or not at all. The server checks what arrives against SHA-256."""
        size = path.stat().st_size
        with _speaking(key):
            if size > PART_BYTES:
                self._put_parts(key, path, size)
                return
            with path.open("rb") as body:
                digest = sha256 or hashlib.file_digest(body, "sha256").hexdigest()
                body.seek(0)
                _client(None).put_object(**self._of(key), Body=body, ChecksumSHA256=_base64(digest))

    def _put_parts(self, key: str, path: Path, size: int) -> None:
        client, each = _client(None), part_size(size)
        begun = client.create_multipart_upload(**self._of(key), ChecksumAlgorithm="SHA256")
        upload = self._of(key) | {"UploadId": begun["UploadId"]}

        def send(number: int) -> dict[str, Any]:
            with path.open("rb") as file:
                file.seek(each * (number - 1))
                data = file.read(each)
            check = {"ChecksumSHA256": _base64(hashlib.sha256(data).hexdigest())}
            sent = client.upload_part(**upload, PartNumber=number, Body=data, **check)
            return {"PartNumber": number, "ETag": sent["ETag"], **check}

        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                parts = list(pool.map(send, range(1, -(-size // each) + 1)))
            _client(None, _COMPLETION_SECONDS).complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            with suppress(ClientError, BotoCoreError):
                client.abort_multipart_upload(**upload)
            raise

    def write(self, key: str, data: bytes) -> None:
        """Store a few bytes."""
        with _speaking(key):
            check = _base64(hashlib.sha256(data).hexdigest())
            _client(None).put_object(**self._of(key), Body=data, ChecksumSHA256=check)

    def read(self, key: str) -> bytes:
        """An object of a few bytes."""
        return b"".join(self.blocks(key))

    def blocks(self, key: str) -> Iterator[bytes]:
        """An object's bytes, as they come."""
        with _speaking(key):
            yield from _client(None).get_object(**self._of(key))["Body"].iter_chunks(_BLOCK)

    def head(self, key: str) -> Kept:
        """What the bucket says of an object, its bytes unread."""
        with _speaking(key):
            said = _client(None).head_object(**self._of(key), ChecksumMode="ENABLED")
        # Of an object that came in parts it is the hash of their hashes; its tag has their number behind it.
        sha256 = said.get("ChecksumSHA256") if "-" not in said["ETag"] else None
        return Kept(
            size=said["ContentLength"],
            written=said["LastModified"].timestamp(),
            tag=said["ETag"],
            sha256=base64.b64decode(sha256).hex() if sha256 else None,
            version=said.get("VersionId"),
        )

    def delete(self, key: str, version: str | None = None) -> None:
        """Remove an object, or one version of it; a missing one is no error."""
        with _speaking(key):
            _client(None).delete_object(**self._of(key), **({"VersionId": version} if version else {}))

    def delete_all(self) -> None:
        """Remove every object below the prefix, and what is being sent there in parts."""
        keys = [key for key, _ in self.list()]
        for key in keys:
            self.delete(key)
        if keys:
            self.abandon(math.inf)

    def list(self, folder: str = "") -> Iterator[tuple[str, Kept]]:
        """Every object whose key begins so."""
        pages = _client(None).get_paginator("list_objects_v2")
        with _speaking(folder):
            for page in pages.paginate(Bucket=self.name, Prefix=self._prefix + folder):
                for one in page.get("Contents", ()):
                    key = one["Key"].removeprefix(self._prefix)
                    yield key, Kept(one["Size"], one["LastModified"].timestamp(), one["ETag"])

    def folders(self) -> Iterator[str]:
        """The names of the folders below the prefix."""
        pages = _client(None).get_paginator("list_objects_v2")
        with _speaking(""):
            for page in pages.paginate(Bucket=self.name, Prefix=self._prefix, Delimiter="/"):
                for one in page.get("CommonPrefixes", ()):
                    yield one["Prefix"].removeprefix(self._prefix).rstrip("/")

    def unfinished(self) -> Iterator[tuple[str, str, float]]:
        """What is being sent in parts: key, upload, and when that was begun."""
        pages = _client(None).get_paginator("list_multipart_uploads")
        with _speaking(""):
            for page in pages.paginate(Bucket=self.name, Prefix=self._prefix):
                for one in page.get("Uploads", ()):
                    key = one["Key"].removeprefix(self._prefix)
                    yield key, one["UploadId"], one["Initiated"].timestamp()

    def abandon(self, begun_before: float, but: str = "/") -> None:
        """Give up what is being sent in parts and was begun before that time; `but`: not in that folder."""
        for key, upload, begun in list(self.unfinished()):
            if begun < begun_before and not key.startswith(but):
                with _speaking(key), suppress(Absent):
                    _client(None).abort_multipart_upload(**self._of(key), UploadId=upload)

    def begin(self, key: str) -> str:
        """Begin an object that somebody else is to send in parts; the upload's id."""
        with _speaking(key):
            return str(_client(None).create_multipart_upload(**self._of(key))["UploadId"])

    def complete(self, key: str, upload: str) -> None:
        """Make an object of the parts that were sent; raises `Absent` where there is no such upload any more."""
        which = self._of(key) | {"UploadId": upload}
        with _speaking(key):
            listed = _client(None).get_paginator("list_parts").paginate(**which)
            parts = [
                {"PartNumber": part["PartNumber"], "ETag": part["ETag"]}
                for page in listed
                for part in page.get("Parts", ())
            ]
            if not parts:
                raise Absent(key)
            _client(None, _COMPLETION_SECONDS).complete_multipart_upload(
                **which, MultipartUpload={"Parts": parts}
            )

    def address(self, operation: str, key: str, seconds: int, **parameters: Any) -> str:
        """An address with which anyone may do one thing, for so long. It names the server as clients reach it."""
        with _speaking(key):
            made = _client(self._endpoint).generate_presigned_url(
                operation, Params=self._of(key) | parameters, ExpiresIn=seconds
            )
        return str(made)


def part_size(size: int) -> int:
    """Bytes of each part, but for the last, of a file that is sent in parts."""
    return max(PART_BYTES, -(-size // MOST_PARTS))


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


@contextmanager
def _speaking(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchUpload"):
            raise Absent(key) from None
        raise StoreAway(f"{_AWAY}: {error}") from error
    except BotoCoreError as error:
        raise StoreAway(f"{_AWAY}: {error}") from error
