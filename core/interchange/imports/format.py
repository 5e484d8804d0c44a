"""What every format offers, and what it is given to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.interchange.effort import Effort
from core.interchange.foreign import Foreign, Given


@dataclass(frozen=True)
class File:
    """One file of tensors: nested containers with NumPy arrays, and the strings of a safetensors header."""

    container: Literal["pth", "safetensors"]
    tree: dict[str, Any]
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Folder:
    """An unpacked archive: paths by the name that a file had in it.

    Each of its files holds up to `limit` bytes; `effort` is what all its pickles may cost together.
    """

    files: dict[str, Path]
    limit: int
    effort: Effort = field(default_factory=Effort)


Source = File | Folder


@dataclass(frozen=True)
class Format:
    """A foreign format.

    `recognises` looks at names only and never raises; `read` gives one `Foreign` per ticket or raises `Unreadable`.
    """

    name: str
    title: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, Given], list[Foreign]]
