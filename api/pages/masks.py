"""The mask of one layer on a ticket's page: which one, and how large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from api.pages.paging import link
from core.catalog.tables import TicketLayer
from core.tickets.picture import block_of, matrix_shape

ZOOMS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
WIDE, TALL = 620, 420
"""Screen pixels that a picture fills at first, at most."""


@dataclass(frozen=True)
class MaskView:
    """A picture of `width` × `height` pixels, each `zoom` on the screen; links to other layers and sizes."""

    layer: TicketLayer
    rows: int
    columns: int
    block: tuple[int, int]
    width: int
    height: int
    zoom: int
    src: str
    smaller: str | None
    larger: str | None

    @property
    def exact(self) -> bool:
        """Whether every pixel is one weight."""
        return self.block == (1, 1)


def mask_view(ticket: str, layers: Sequence[TicketLayer], query: QueryParams) -> MaskView | None:
    """What an address asks to see: `layer`, else the first, at `zoom`, else as large as fits."""
    if not layers:
        return None
    layer = next((one for one in layers if one.name == query.get("layer")), layers[0])
    rows, columns = matrix_shape(tuple(layer.shape))
    block = block_of(rows, columns)
    height, width = (-(-side // across) for side, across in zip((rows, columns), block, strict=True))
    zoom = _zoom(query.get("zoom"), width, height)
    path = f"/ui/tickets/{ticket}"

    def at(other: int | None) -> str | None:
        return None if other is None else link(query, path, zoom=str(other)) + "#mask"

    return MaskView(
        layer=layer,
        rows=rows,
        columns=columns,
        block=block,
        width=width,
        height=height,
        zoom=zoom,
        src=f"/tickets/{ticket}/layers/{layer.name}/mask.png",
        smaller=at(next((one for one in reversed(ZOOMS) if one < zoom), None)),
        larger=at(next((one for one in ZOOMS if one > zoom), None)),
    )


def _zoom(given: str | None, width: int, height: int) -> int:
    if given is not None and given.isascii() and given.isdigit() and len(given) < 3 and int(given) in ZOOMS:
        return int(given)
    fitting = [zoom for zoom in ZOOMS if width * zoom <= WIDE and height * zoom <= TALL]
    return fitting[-1] if fitting else 1
