"""A small architecture with every kind of tensor, random tickets of it, and files taken apart to be attacked."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from core.elastic.anatomy import Anatomy
from core.families import UnknownArchitecture
from core.families.architecture import Architecture, Role, TensorSpec
from core.families.definition import made_definition
from core.families.posted import posted_architecture
from core.tickets import InvalidTicket, Metadata, Ticket, TicketFile, read, write

WIDTHS = {"I64": 8, "F32": 4, "U8": 1}


def tiny_architecture(name: str, input: tuple[int, int, int], classes: int) -> Architecture:  # noqa: A002
    """`tiny_WIDTH`, alias `tiny_0WIDTH`: a convolution, its normalisation and a head."""
    match = re.fullmatch(r"tiny_0?([1-9])", name)
    if match is None or not 1 <= classes <= 50 or not all(1 <= side <= 64 for side in input):
        raise UnknownArchitecture("tiny_1 to tiny_9, sides up to 64, up to 50 classes")
    name, width = f"tiny_{match[1]}", int(match[1])
    tensors = (
        TensorSpec("conv.weight", (width, input[0], 3, 3), Role.WEIGHT),
        TensorSpec("bn.weight", (width,), Role.SCALE),
        TensorSpec("bn.bias", (width,), Role.SHIFT),
        TensorSpec("bn.running_mean", (width,), Role.MEAN),
        TensorSpec("bn.running_var", (width,), Role.VARIANCE),
        TensorSpec("bn.num_batches_tracked", (), Role.COUNT),
        TensorSpec("fc.weight", (classes, width), Role.WEIGHT),
        TensorSpec("fc.bias", (classes,), Role.BIAS),
    )
    anatomy = Anatomy(stages=(), fixed=tuple(spec.name for spec in tensors))
    head = frozenset({"fc.weight", "fc.bias"})
    return Architecture(name, "tiny", input, classes, tensors, anatomy, frozenset({"conv.weight"}), head)


def random_state(architecture: Architecture, rng: np.random.Generator) -> dict[str, np.ndarray]:
    state: dict[str, np.ndarray] = {}
    for spec in architecture.tensors:
        if spec.dtype == "I64":
            state[spec.name] = np.array(rng.integers(0, 2**40), np.int64)
        else:
            values = rng.normal(size=spec.shape).astype(np.float32)
            state[spec.name] = np.abs(values) if spec.role is Role.VARIANCE else values
    return state


def random_ticket_of(architecture: Architecture, seed: int) -> Ticket:
    """Any density from empty to full, and some survivors that are 0.0 or −0.0."""
    rng = np.random.default_rng(seed)
    state = random_state(architecture, rng)
    masks = {}
    for spec in architecture.prunable:
        masks[spec.name] = rng.random(spec.shape) < rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        state[spec.name][rng.random(spec.shape) < 0.05] = rng.choice([0.0, -0.0])
    return Ticket.from_dense(architecture, int(rng.integers(0, 10_000)), masks, state)


@dataclass
class Draft:
    """A safetensors file in pieces; `build` assembles what is there, sound or not, in the order it is in."""

    metadata: dict[str, str]
    tensors: dict[str, tuple[str, list[int], bytes]]
    header: dict[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, file: bytes) -> Draft:
        length = int.from_bytes(file[:8], "little")
        header = json.loads(file[8 : 8 + length])
        metadata = header.pop("__metadata__")
        tensors = {}
        for name, entry in header.items():
            start, stop = entry["data_offsets"]
            tensors[name] = (entry["dtype"], entry["shape"], file[8 + length + start : 8 + length + stop])
        draft = cls(metadata, tensors)
        draft.lay_out()
        return draft

    def lay_out(self) -> Draft:
        """Write the header anew from the tensors."""
        self.header, end = {"__metadata__": self.metadata}, 0
        for name, (dtype, shape, data) in self.tensors.items():
            self.header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
            end += len(data)
        return self

    @property
    def payload(self) -> bytes:
        return b"".join(data for _, _, data in self.tensors.values())

    def build(self, text: str | bytes | None = None) -> bytes:
        """The file, with `text` in place of the header's JSON where it is given."""
        text = json.dumps(self.header) if text is None else text
        encoded = text.encode() if isinstance(text, str) else text
        encoded += b" " * (-len(encoded) % 8)
        return len(encoded).to_bytes(8, "little") + encoded + self.payload

    def array(self, name: str) -> np.ndarray:
        dtype, shape, data = self.tensors[name]
        return np.frombuffer(data, {"I64": "<i8", "F32": "<f4", "U8": "u1"}[dtype]).reshape(shape).copy()

    def put(self, name: str, array: np.ndarray) -> Draft:
        dtype = {"<i8": "I64", "<f4": "F32", "|u1": "U8"}[array.dtype.str]
        self.tensors[name] = (dtype, list(array.shape), array.tobytes())
        return self.lay_out()


@pytest.fixture(scope="session")
def describe() -> Callable[..., Architecture]:
    return tiny_architecture


@pytest.fixture(scope="session")
def architecture() -> Architecture:
    """54 and 21 prunable weights: both masks end within a byte."""
    return tiny_architecture("tiny_3", (2, 8, 8), 7)


@pytest.fixture(scope="session")
def state(architecture: Architecture) -> Callable[[int], dict[str, np.ndarray]]:
    return lambda seed: random_state(architecture, np.random.default_rng(seed))


@pytest.fixture(scope="session")
def random_ticket() -> Callable[[int], Ticket]:
    """A random ticket of a random architecture, from a seed."""

    def make(seed: int) -> Ticket:
        rng = np.random.default_rng(seed)
        width, channels, classes = (int(rng.integers(1, top)) for top in (10, 4, 12))
        return random_ticket_of(tiny_architecture(f"tiny_{width}", (channels, 5, 6), classes), seed)

    return make


@pytest.fixture(scope="session")
def ticket(architecture: Architecture) -> Ticket:
    """About half of the weights survive; a fixed one, for tests that need just a ticket."""
    rng = np.random.default_rng(1)
    masks = {spec.name: rng.random(spec.shape) < 0.5 for spec in architecture.prunable}
    return Ticket.from_dense(architecture, 1000, masks, random_state(architecture, rng))


@pytest.fixture(scope="session")
def posted_ticket() -> Ticket:
    """Of a posted family, three of whose blocks it has; the definition's example has two."""
    block = {"weight": [5, 5], "norm.weight": [5], "gain": [1]}
    definition = made_definition(
        {
            "name": "chain",
            "input": [2, 8, 8],
            "classes": 7,
            "stages": [{"name": "b", "pattern": "b.{unit}."}],
            "prunable": ["*.weight"],
            "tensors": {
                "steps": {"shape": [], "dtype": "I64"},
                **{f"b.{i}.{name}": shape for i in range(2) for name, shape in block.items()},
            },
        }
    )
    return random_ticket_of(posted_architecture(definition, [3]), 5)


@pytest.fixture(scope="session")
def metadata() -> Metadata:
    return Metadata(
        dataset="cifar10",
        method="imp",
        seed=2,
        level=10,
        parent="ab" * 32,
        details={"note": "é", "rate": 0.2},
    )


@pytest.fixture(scope="session")
def file_of() -> Callable[[Ticket, Metadata], bytes]:
    def encode(ticket: Ticket, metadata: Metadata) -> bytes:
        stream = io.BytesIO()
        write(ticket, metadata, stream)
        return stream.getvalue()

    return encode


@pytest.fixture(scope="session")
def file(ticket: Ticket, metadata: Metadata, file_of: Callable[..., bytes]) -> bytes:
    return file_of(ticket, metadata)


@pytest.fixture
def draft(file: bytes) -> Draft:
    return Draft.of(file)


@pytest.fixture(scope="session")
def draft_of() -> Callable[[bytes], Draft]:
    return Draft.of


@pytest.fixture(scope="session")
def read_bytes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], TicketFile]:
    """Read bytes as a file. Each is a new file: arrays that an earlier one gave still map theirs."""
    folder: Path = tmp_path_factory.mktemp("tickets")

    def from_bytes(content: bytes) -> TicketFile:
        path = folder / "a.ticket.safetensors"
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        return read(path, tiny_architecture)

    return from_bytes


@pytest.fixture(scope="session")
def refusal(read_bytes: Callable[[bytes], TicketFile]) -> Callable[[bytes], InvalidTicket]:
    """The refusal that these bytes meet."""

    def refuse(content: bytes) -> InvalidTicket:
        with pytest.raises(InvalidTicket) as caught:
            read_bytes(content)
        return caught.value

    return refuse
