"""The picture of one layer's mask: a PNG, one bit per weight, or the density of blocks where that is too large."""

from __future__ import annotations

import hashlib
import io
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Header, Path, Response
from PIL import Image

from api.access.policies import reads
from api.dependencies import DatabaseDep, StoreDep, TicketPath
from api.problems import FILE_DAMAGED, FILE_MISSING, NOT_FOUND, documented, not_found
from api.queries import OnlyDocumented
from api.tickets.files import matches
from api.tickets.service import existing
from core.tickets import read
from core.tickets.picture import MOST_SIDE, Picture, picture

router = APIRouter(tags=["tickets"], dependencies=[reads, OnlyDocumented])

LayerPath = Annotated[
    str, Path(description="a prunable tensor of the ticket", examples=["fc_layers.0.weight"])
]
_PNG: dict[str, Any] = {"type": "string", "contentMediaType": "image/png", "contentEncoding": "binary"}
_BLOCK = {
    "Mask-Block": {
        "description": "weights per pixel, down and across: `1x1` where each is one weight",
        "schema": {"type": "string"},
    }
}
_DRAWN = "1"
"""Part of the ETag: another number, where the same mask is drawn in another way."""


@router.get(
    "/tickets/{ticket}/layers/{layer}/mask.png",
    response_class=Response,
    responses={
        200: {
            "description": "White where a weight survives",
            "content": {"image/png": {"schema": _PNG, "example": "(the bytes of a picture)"}},
            "headers": _BLOCK,
        },
        304: {"description": "What `If-None-Match` names is still right"},
        **documented(NOT_FOUND, FILE_MISSING, FILE_DAMAGED),
    },
)
def draw_mask(
    ticket: TicketPath,
    layer: LayerPath,
    database: DatabaseDep,
    store: StoreDep,
    if_none_match: Annotated[str | None, Header(description="the ETag of a copy")] = None,
) -> Response:
    """Draw the mask of one layer: rows are outputs, columns are inputs · kernel.

    A weight is a pixel, white where it survives. A matrix with a side of more than 2048 is drawn in blocks, grey by
    their exact density; the header `Mask-Block` tells how large they are.
    """
    with database.read() as session:
        row = existing(session, ticket)
        if layer not in {kept.name for kept in row.layers}:
            raise not_found("layer", layer)
        digest = row.file_digest
    path = store.intact(digest)
    # An id is the hash of what the ticket holds: its masks never change.
    name = hashlib.sha256(f"{_DRAWN} {MOST_SIDE} {ticket} {layer}".encode()).hexdigest()
    headers = {"ETag": f'"{name[:32]}"', "Cache-Control": "max-age=31536000, immutable"}
    if if_none_match is not None and matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    drawn = picture(read(path).ticket.masks[layer])
    headers["Mask-Block"] = f"{drawn.block[0]}x{drawn.block[1]}"
    return Response(png(drawn), headers=headers, media_type="image/png")


def png(drawn: Picture) -> bytes:
    """A picture as a PNG: one bit a pixel, or eight where pixels are blocks."""
    if drawn.exact:
        image = Image.fromarray(drawn.density > 0)
    else:
        image = Image.fromarray(np.rint(drawn.density * 255).astype(np.uint8))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
