"""`huggingface`: an archived model folder; its `model.safetensors` is all that is read."""

from __future__ import annotations

from pathlib import Path

from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign, Given
from core.interchange.imports import safetensors
from core.interchange.imports.format import Folder, Format, Source

FILE = "model.safetensors"


def is_read(name: str) -> bool:
    """Whether a member of an archive is looked at."""
    return name.split("/")[-1] == FILE


def recognises(source: Source) -> bool:
    """Whether there is a model file."""
    return isinstance(source, Folder) and bool(_models(source))


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket, as of a safetensors file."""
    assert isinstance(source, Folder)
    models = _models(source)
    if len(models) != 1:
        raise Unreadable(Reason.STATE_AMBIGUOUS, "archive", f"one {FILE}")
    return safetensors.read(safetensors.open_safetensors(models[0], source.limit), given)


def _models(folder: Folder) -> list[Path]:
    return [path for name, path in folder.files.items() if is_read(name)]


FORMAT = Format("huggingface", "Archived model folder with model.safetensors", recognises, read)
