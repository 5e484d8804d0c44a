"""Reads a foreign file of any known format; nothing here imports torch, or runs what a file says."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from core.interchange.archives import HEAD_BYTES, Archive, guess_container, unpack
from core.interchange.effort import Effort
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign, Given
from core.interchange.imports import huggingface, open_lth
from core.interchange.imports.format import File, Folder, Format, Source
from core.interchange.imports.registry import FORMATS
from core.interchange.imports.safetensors import check_safetensors, open_safetensors
from core.interchange.opening import check_pth, is_torch, open_pth
from core.interchange.recognition import under_our_names
from core.interchange.zips import zip_members
from core.tickets.failure import quoted

LARGEST = 8 << 30
"""Bytes that one file may unpack to, unless the caller says otherwise: an experiment of ImageNet networks."""


def read_foreign(
    path: Path,
    *,
    scratch: Path,
    format: str | None = None,  # noqa: A002
    given: Given | None = None,
    limit: int = LARGEST,
) -> tuple[str, list[Foreign]]:
    """The name of the format that a file was read in, and the tickets in it.

    `format` is one of `FORMATS`, or None for the first that recognises the file. What is needed of an archive is
    unpacked into a folder below `scratch` and removed again; all of an archive may come to `limit` bytes. Raises
    `Unreadable`, and `OSError` where a file cannot be opened or written.
    """
    with TemporaryDirectory(dir=scratch) as folder:
        source = _opened(path, Path(folder), limit)
        found = _format(source, format)
        return found.name, [under_our_names(foreign) for foreign in found.read(source, given or Given())]


def precheck(path: Path, scratch: Path, limit: int = LARGEST) -> None:
    """Refuse what can be refused without the values of tensors: containers, names, sizes, pickles, storages.

    Takes little memory, and for an archive as much disk below `scratch`, for a moment, as it unpacks to. Raises
    `Unreadable`.
    """
    container = _container(path, limit)
    if container == "torch":
        check_pth(path, limit)
    elif container == "safetensors":
        check_safetensors(path, limit)
    else:
        effort = Effort()
        with TemporaryDirectory(dir=scratch) as folder:
            for name, file in unpack(path, container, Path(folder), limit, _is_read).items():
                if name.endswith(".pth"):
                    check_pth(file, limit, effort)
                elif name.endswith(".safetensors"):
                    check_safetensors(file, limit)


def _container(path: Path, limit: int) -> Archive | Literal["torch", "safetensors"]:
    """`torch` for the zip that torch.save writes, else the container."""
    with path.open("rb") as stream:
        container = guess_container(stream.read(HEAD_BYTES))
        if container == "zip" and is_torch(list(zip_members(stream, limit, stored=False))):
            return "torch"
    if container is None:
        raise _unknown(path)
    return container


def _unknown(path: Path) -> Unreadable:
    with path.open("rb") as stream:
        head = stream.read(2)
    # Protocol 2 and later begin with PROTO; that is also how torch.save began before PyTorch 1.6.
    if head[:1] == b"\x80" and head[1:] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return Unreadable(
            Reason.TORCH_LEGACY,
            "byte 0",
            "a .pth of PyTorch 1.6 or later, no bare pickle; load it where it was made and save it again",
        )
    return Unreadable(
        Reason.CONTAINER_UNKNOWN, "byte 0", "a .pth, a safetensors file, or a zip, tar or tar.gz"
    )


def _opened(path: Path, scratch: Path, limit: int) -> Source:
    container = _container(path, limit)
    if container == "torch":
        return File("pth", open_pth(path, limit))
    if container == "safetensors":
        return open_safetensors(path, limit)
    return Folder(unpack(path, container, scratch, limit, _is_read), limit)


def _is_read(name: str) -> bool:
    return open_lth.is_read(name) or huggingface.is_read(name)


def _format(source: Source, name: str | None) -> Format:
    if name is None:
        for found in FORMATS.values():
            if found.recognises(source):
                return found
        raise Unreadable(
            Reason.FORMAT_UNKNOWN,
            "archive",
            f"level_L/main/{open_lth.MASK} of an open_lth experiment, or {huggingface.FILE} of a model folder",
        )
    if name not in FORMATS:
        raise Unreadable(Reason.FORMAT_UNKNOWN, quoted(name), ", ".join(FORMATS))
    if not FORMATS[name].recognises(source):
        fitting = [found.name for found in FORMATS.values() if found.recognises(source)]
        raise Unreadable(Reason.FORMAT_MISMATCH, name, ", ".join(fitting) or "a file of that format")
    return FORMATS[name]
