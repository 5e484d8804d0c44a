"""A file in any foreign format, made into tickets, as the import's caged process does it."""

from __future__ import annotations

from api.tickets.imports import Said, is_foreign
from bench.fuzz import samples
from bench.fuzz.reader import Scratch
from core.families.known import describer
from core.interchange.entering import entered
from core.interchange.failure import Unreadable
from core.interchange.importing import precheck
from core.jobs.specs import ImportSpec
from core.tickets import ticket_id

REFUSED = (Unreadable,)
_LIMIT = 1 << 20
_SCRATCH = Scratch()
_DESCRIBE = describer([samples.DEFINITION])


def seeds() -> list[bytes]:
    """Weights alone and weights with masks, as `.pth`, as safetensors, and as a model folder in a zip and a tar."""
    weights = samples.arrays()
    pruned = {name: values * samples.masks().get(name, 1) for name, values in weights.items()}
    masks = {f"{name}_mask": mask.astype("float32") for name, mask in samples.masks().items()}
    originals = {
        f"{name}_orig" if f"{name}_mask" in masks else name: values for name, values in weights.items()
    }
    files = []
    for state in (pruned, originals | masks):
        plain = {name: values.astype("float32") for name, values in state.items()}
        files += [
            samples.pth(samples.state_pickle(plain), samples.storages(plain)),
            samples.safetensors(plain),
        ]
    folder = {"model/config.json": b"{}", "model/model.safetensors": samples.safetensors(pruned)}
    return [*files, samples.zipped(folder), samples.tarred(folder)]


def read(data: bytes) -> None:
    """Look at it and check it as an upload is; then enter, and name, every ticket."""
    path = _SCRATCH.file(data)
    is_foreign(path, Said.model_validate({}))
    precheck(path, _SCRATCH.path, _LIMIT)
    spec = ImportSpec(sha256="0" * 64, size=len(data))
    for one in entered(path, spec, _SCRATCH.path, [samples.DEFINITION], _DESCRIBE, _LIMIT):
        ticket_id(one.ticket)
