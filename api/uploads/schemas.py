"""Uploads to the object store, as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_SHA256 = "9f2c" * 16
_UPLOAD = "4b1d" * 8
_ADDRESS = f"https://s3.example/elasticket/scratch/{_UPLOAD}/upload?X-Amz-Signature=5e1f…"


class UploadRequest(BaseModel):
    """A file that is to be sent to the object store."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"size": 1073741824, "sha256": _SHA256}]}
    )

    size: int = Field(ge=1, lt=2**53, description="bytes of the file")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="its SHA-256, in hexadecimal digits")


class UploadPart(BaseModel):
    """One request to the object store: PUT these bytes of the file there, with these headers and no others of yours."""

    offset: int
    size: int
    url: str
    headers: dict[str, str] = {}


class UploadBody(BaseModel):
    """Where a file is to be sent, part by part, in any order; then POST to `links.complete`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _UPLOAD,
                    "parts": [
                        {"offset": 0, "size": 67108864, "url": f"{_ADDRESS}&partNumber=1", "headers": {}}
                    ],
                    "expires_at": "2026-01-31T11:15:00Z",
                    "links": {"complete": f"/uploads/{_UPLOAD}/complete"},
                }
            ]
        }
    )

    id: str
    parts: list[UploadPart]
    expires_at: datetime = Field(description="the addresses are good until then; ask again for new ones")
    links: dict[str, Any]
