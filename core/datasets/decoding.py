"""Decodes pieces of batches of photographs, in this process or in others beside it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as MapDataset

from core.datasets.errors import DatasetInvalid
from core.datasets.views import central_view, random_view

Decoded = Tensor | DatasetInvalid

PIECE = 32  # images: 5 MB at 224×224, a quarter of a second for one core
_MODES = ("RGB", "L", "CMYK", "RGBA", "LA", "P")


class Piece(NamedTuple):
    """Some images of a batch, and for a random view `NUMBERS` numbers of each, [N, NUMBERS]."""

    paths: list[str]
    numbers: NDArray[np.uint64] | None


class Pace(NamedTuple):
    """How many processes decode, and how many pieces each is told of in advance; 0: this one decodes when asked."""

    processes: int
    ahead: int


class Decoder(MapDataset[Decoded]):
    """Pieces → uint8 [N, size, size, 3]; the error, not raised, where an image is broken.

    A raised one would come out of another process as a `RuntimeError` without its file's name.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def __getitem__(self, piece: Piece) -> Decoded:
        images = np.empty((len(piece.paths), self._size, self._size, 3), np.uint8)
        try:
            for row, path in enumerate(piece.paths):
                numbers = None if piece.numbers is None else piece.numbers[row]
                images[row] = decode(path, numbers, self._size)
        except DatasetInvalid as error:
            return error
        return torch.from_numpy(images)


def decode(path: str, numbers: NDArray[np.uint64] | None, size: int) -> NDArray[np.uint8]:
    """One image's random view, or without `numbers` its central one, as uint8 [size, size, 3].

    Raises `DatasetInvalid`. One of ILSVRC-2012's JPEG files is a PNG, some are grey or CMYK.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if image.mode not in _MODES:
                raise DatasetInvalid(path, f"is of mode {image.mode}, expected {', '.join(_MODES)}")
            width, height = image.size
            view = (
                central_view(size, width, height) if numbers is None else random_view(numbers, width, height)
            )
            # JPEG decodes to a half, a quarter or an eighth in half the time: as long as pixels suffice.
            reduction = max(1, int(min(view.width, view.height) // size))
            drafted = image.draft(None, (width // reduction, height // reduction))
            x, y = (drafted[1][2] / width, drafted[1][3] / height) if drafted else (1.0, 1.0)
            box = (view.left * x, view.top * y, (view.left + view.width) * x, (view.top + view.height) * y)
            colours = image if image.mode == "RGB" else image.convert("RGB")
            shown = colours.resize((size, size), Image.Resampling.BILINEAR, box=box)
    except DatasetInvalid:
        raise
    except Exception as error:  # a malformed image can raise almost anything
        raise DatasetInvalid(path, f"is not a whole image: {type(error).__name__}: {error}") from error
    pixels = np.asarray(shown)
    return pixels[:, ::-1] if view.mirrored else pixels


def loader(pieces: Iterable[Piece], size: int, pace: Pace, pinned: bool) -> DataLoader[Decoded]:
    """Yields what `Decoder` makes of the pieces, in order; iterated again it starts anew in the same processes.

    The processes are forked from a small server, not from this one, which may hold locks, a GPU, and pipes whose end
    somebody waits for.
    """
    several = pace.processes > 0
    context = multiprocessing.get_context("forkserver") if several else None
    if context is not None:
        context.set_forkserver_preload([__name__])
    return DataLoader(
        Decoder(size),
        batch_size=None,
        sampler=pieces,
        num_workers=pace.processes,
        prefetch_factor=pace.ahead if several else None,
        persistent_workers=several,
        multiprocessing_context=context,
        pin_memory=pinned,
        worker_init_fn=_end_with_parent,
        generator=torch.Generator(),  # else it draws from the one that dropout draws from
    )


def _end_with_parent(_: int) -> None:
    """Ends this process as soon as the one that it decodes for has ended, however that came about.

    torch looks whether the server is gone, which in turn waits for the processes that it forked.
    """
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs beside another process"
    parent.join()
    os._exit(1)
