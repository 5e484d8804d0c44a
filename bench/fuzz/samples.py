"""Small sound files of each kind, made by code: what mutation starts from."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import save

from core.families.definition import Definition
from core.families.posted import posted_architecture
from core.tickets import Metadata, Ticket, write

POSTED = json.dumps(
    {
        "name": "tiny",
        "input": [1, 2, 2],
        "classes": 2,
        "stages": [{"name": "hidden", "pattern": "blocks.{unit}.", "fixed": [0]}],
        "prunable": ["*.weight"],
        "dense": ["head.*"],
        "tensors": {
            "blocks.0.weight": [4, 4],
            "blocks.0.bias": [4],
            "blocks.1.weight": [4, 4],
            "blocks.1.bias": [4],
            "head.weight": {"shape": [2, 4], "dtype": "F32"},
        },
    }
).encode()
"""A definition, as it would be posted: known families have no member so small that mutation meets its header."""

DEFINITION = Definition.model_validate_json(POSTED)
NETWORK = posted_architecture(DEFINITION)


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """A state dict of random weights, none of them 0."""
    numbers = np.random.default_rng(seed)
    return {spec.name: numbers.random(spec.shape, np.float32) + np.float32(0.1) for spec in NETWORK.tensors}


def masks(seed: int = 0) -> dict[str, np.ndarray]:
    """A random mask of each prunable tensor."""
    numbers = np.random.default_rng(seed)
    return {spec.name: numbers.random(spec.shape) < 0.3 for spec in NETWORK.prunable}


def ticket(seed: int = 0, metadata: Metadata | None = None) -> bytes:
    """A ticket file."""
    made = Ticket.from_dense(NETWORK, 0, masks(seed=seed), arrays(seed=seed))
    stream = io.BytesIO()
    write(made, metadata or Metadata(dataset="digits", method="imp", seed=seed, level=5), stream)
    return stream.getvalue()


def safetensors(tensors: Mapping[str, np.ndarray], **metadata: str) -> bytes:
    """A safetensors file."""
    saved: bytes = save(dict(tensors), metadata or None)
    return saved


def state_pickle(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The pickle by which `torch.save` describes a state dict of float32 tensors, in protocol 2."""
    body = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01("
    for number, (name, values) in enumerate(tensors.items()):
        strides = [step // values.itemsize for step in values.strides]
        body += (
            _text(name)
            + b"ctorch._utils\n_rebuild_tensor_v2\n(("
            + _text("storage")
            + b"ctorch\nFloatStorage\n"
            + _text(str(number))
            + _text("cpu")
            + _number(values.size)
            + b"tQK\x00"
            + _tuple(values.shape)
            + _tuple(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR"
        )
    return body + b"u."


def pth(pickled: bytes, storages: Mapping[str, bytes]) -> bytes:
    """The zip that `torch.save` writes around a pickle and its storages."""
    members = {"a/data.pkl": pickled, "a/byteorder": b"little"}
    return zipped(members | {f"a/data/{key}": content for key, content in storages.items()})


def storages(tensors: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """The storages that `state_pickle` speaks of."""
    return {str(number): values.tobytes() for number, values in enumerate(tensors.values())}


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = "w", form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _number(value: int) -> bytes:
    encoded = pickle.encode_long(value)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def _tuple(values: tuple[int, ...] | list[int]) -> bytes:
    return b"(" + b"".join(_number(value) for value in values) + b"t"
