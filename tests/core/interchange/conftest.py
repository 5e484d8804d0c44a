"""Files as other tools write them, made with plain torch, and as attackers do, made byte by byte."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from core.families import architecture
from core.families.architecture import Architecture, Role
from core.interchange.failure import Unreadable
from core.interchange.foreign import Foreign
from core.interchange.importing import precheck, read_foreign

State = dict[str, torch.Tensor]
LIMIT = 1 << 22
MARKER = Path(tempfile.gettempdir(), f"elasticket-attack-{os.getpid()}")
COMMAND = f"touch {MARKER}"


def saved(value: Any) -> bytes:
    """What torch.save writes."""
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def state_and_masks(network: Architecture, seed: int = 0) -> tuple[State, State]:
    """Random weights and boolean masks of a network."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for spec in network.tensors:
        if spec.role is Role.COUNT:
            state[spec.name] = torch.tensor(7)
        else:
            state[spec.name] = torch.rand(spec.shape, generator=generator) + 0.1
    masks = {spec.name: torch.rand(spec.shape, generator=generator) < 0.3 for spec in network.prunable}
    return state, masks


def tarred(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar of files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (COMMAND,)


def text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    encoded = pickle.encode_long(value)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def mapping(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def storage(key: str = "0", kind: str = "FloatStorage", numel: int = 6, tag: str = "storage") -> bytes:
    return tuple_of(text(tag), f"ctorch\n{kind}\n".encode(), text(key), text("cpu"), number(numel)) + b"Q"


def tensor(
    key: str = "0",
    shape: tuple[int, ...] = (2, 3),
    strides: tuple[int, ...] = (3, 1),
    numel: int = 6,
    offset: int = 0,
    kind: str = "FloatStorage",
    hooks: bytes = b"ccollections\nOrderedDict\n)R",
    more: tuple[bytes, ...] = (),
) -> bytes:
    """A tensor as torch.save pickles it."""
    arguments = (
        storage(key, kind, numel),
        number(offset),
        tuple_of(*map(number, shape)),
        tuple_of(*map(number, strides)),
        b"\x89",
        hooks,
        *more,
    )
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + tuple_of(*arguments) + b"R"


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED, mode: int = 0) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return stream.getvalue()


def pth(body: bytes, *more: tuple[str, bytes], size: int = 24, protocol: bytes = b"\x80\x02") -> bytes:
    """A `.pth` with this pickle and one storage of `size` bytes."""
    return zipped([("a/data.pkl", protocol + body + b"."), ("a/data/0", bytes(size)), *more])


def holding(**changes: Any) -> bytes:
    """A `.pth` with one tensor, described wrongly."""
    return pth(mapping(w=tensor(**changes)))


def legacy(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def tar_of(*members: tuple[tarfile.TarInfo | str, bytes], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def special(kind: bytes, target: str = "") -> bytes:
    info = tarfile.TarInfo("level_1/main/mask.pth")
    info.type, info.linkname = kind, target
    return tar_of((info, b""))


def pax(**headers: str) -> bytes:
    """A tar whose file has pax headers; `_` stands for a dot."""
    info = tarfile.TarInfo("level_1/main/mask.pth")
    info.pax_headers = {key.replace("_", "."): value for key, value in headers.items()}
    return tar_of((info, b""))


def block(name: str, content: bytes = b"", kind: bytes = b"0", size: bytes = b"") -> bytes:
    """A member of a tar by hand."""
    header = bytearray(512)
    fields = {0: name.encode(), 124: size or b"%011o" % len(content), 148: b" " * 8, 156: kind}
    for start, field in {**fields, 257: b"ustar\x0000"}.items():
        header[start : start + len(field)] = field
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + bytes(-len(content) % 512)


def blocks(*members: bytes) -> bytes:
    """A tar of such members."""
    return b"".join(members) + bytes(1024)


def disagreeing(offset: int, value: bytes) -> bytes:
    """Change the local header of the first member."""
    content = bytearray(pth(mapping(w=tensor())))
    content[offset : offset + len(value)] = value
    return bytes(content)


def directory_claim(count: int, length: int) -> bytes:
    content = bytearray(pth(mapping(w=tensor())))
    struct.pack_into("<2HL", content, len(content) - 14, count & 0xFFFF, count & 0xFFFF, length)
    return bytes(content)


def flagged(flag: int) -> bytes:
    """A zip whose first member has a flag in both of its headers."""
    content = bytearray(pth(mapping(w=tensor())))
    content[6] |= flag
    content[content.index(b"PK\x01\x02") + 8] |= flag
    return bytes(content)


def wide_end(magic: bytes = b"PK\6\6", length: int | None = None, *, wide: bool = False) -> bytes:
    """A zip with an end of zip64, which says `length` of the directory; the other end says it too, or 2^32 − 1."""
    content = pth(mapping(w=tensor()))
    count, true_length, offset = struct.unpack_from("<H2L", content, len(content) - 12)
    numbers = (count, count, true_length if length is None else length, offset)
    record = struct.pack("<4sQ2H2L4Q", magic, 44, 45, 45, 0, 0, *numbers)
    end = bytearray(content[-22:])
    if wide:
        struct.pack_into("<2HL", end, 8, 0xFFFF, 0xFFFF, 0xFFFFFFFF)
    return content[:-22] + record + struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1) + end


def safetensors(header: Any, payload: bytes = b"") -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + payload


def entry(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def masked(mask: torch.Tensor, **more: Any) -> bytes:
    return saved({"conv.weight_orig": torch.ones(2, 3), "conv.weight_mask": mask, **more})


def level(**files: bytes) -> bytes:
    names = {"mask": "mask.pth", "model": "model_ep0_it0.pth", "report": "sparsity_report.json"}
    return tar_of(
        *((f"replicate_1/level_1/main/{names.get(name, name)}", content) for name, content in files.items())
    )


ONES = torch.ones(2, 3)
MASK = saved({"fc.weight": torch.tensor([[1, 0]], dtype=torch.int32)})
MODEL = saved({"fc.weight": torch.ones(1, 2)})
GLOBAL_SYSTEM = b"cposix\nsystem\n" + tuple_of(text(COMMAND)) + b"R"


def builders() -> SimpleNamespace:
    """What makes hostile files; the test of the whole service loads it by this file's path."""
    makers = (
        Bomb,
        saved,
        text,
        number,
        tuple_of,
        mapping,
        storage,
        tensor,
        pickled,
        zipped,
        pth,
        holding,
        legacy,
        tar_of,
        special,
        pax,
        block,
        blocks,
        disagreeing,
        directory_claim,
        flagged,
        wide_end,
        safetensors,
        entry,
        masked,
        level,
    )
    constants = {"ONES": ONES, "MASK": MASK, "MODEL": MODEL, "GLOBAL_SYSTEM": GLOBAL_SYSTEM}
    return SimpleNamespace(
        **{maker.__name__: maker for maker in makers},
        **constants,
        COMMAND=COMMAND,
        MARKER=MARKER,
        LIMIT=LIMIT,
    )


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    """What makes hostile files."""
    return builders()


@pytest.fixture(autouse=True)
def _no_marker() -> Iterator[None]:
    MARKER.unlink(missing_ok=True)
    yield
    assert not MARKER.exists(), "code of the file was run"


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[..., Unreadable]:
    """How bytes are refused when they are read, or at upload already (`early`); nothing of them is left."""

    def refuse(content: bytes, *, early: bool = False) -> Unreadable:
        path = tmp_path / "upload"
        path.write_bytes(content)
        with pytest.raises(Unreadable) as caught:
            if early:
                precheck(path, tmp_path, LIMIT)
            else:
                read_foreign(path, scratch=tmp_path, limit=LIMIT)
        assert [left.name for left in tmp_path.iterdir()] == ["upload"]
        assert caught.value.accepted
        assert str(caught.value).isprintable()
        assert len(caught.value.where) < 300
        return caught.value

    return refuse


@pytest.fixture(scope="session")
def save() -> Callable[[Any], bytes]:
    return saved


@pytest.fixture(scope="session")
def tar() -> Callable[..., bytes]:
    return tarred


@pytest.fixture(scope="session")
def network() -> Architecture:
    """A small residual network."""
    return architecture("cifar_resnet_8_4", (3, 32, 32), 10)


@pytest.fixture(scope="session")
def sample() -> Callable[..., tuple[State, State]]:
    return state_and_masks


@pytest.fixture(scope="session")
def state(network: Architecture) -> State:
    return state_and_masks(network)[0]


@pytest.fixture(scope="session")
def masks(network: Architecture) -> State:
    return state_and_masks(network)[1]


@pytest.fixture
def import_bytes(tmp_path: Path) -> Callable[..., tuple[str, list[Foreign]]]:
    """Import bytes as a file."""

    def read(content: bytes, **options: Any) -> tuple[str, list[Foreign]]:
        path = tmp_path / "upload"
        path.write_bytes(content)
        found = read_foreign(path, scratch=tmp_path, **options)
        assert [left.name for left in tmp_path.iterdir()] == ["upload"]
        return found

    return read


@pytest.fixture(scope="session")
def same() -> Callable[..., None]:
    """Compare arrays of a foreign ticket with tensors, bit for bit."""

    def compare(found: Mapping[str, np.ndarray] | None, expected: Mapping[str, torch.Tensor]) -> None:
        assert found is not None
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.numpy().dtype, name
            assert found[name].shape == tensor.shape, name
            assert found[name].tobytes() == tensor.numpy().tobytes(), name

    return compare


@pytest.fixture(scope="session")
def run_program() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a program of this project in a process of its own."""

    def run(program: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
