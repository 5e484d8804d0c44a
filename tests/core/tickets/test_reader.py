from __future__ import annotations

import mmap
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.elastic.anatomy import Anatomy
from core.families import architecture as named_architecture
from core.families.architecture import Architecture, Role, TensorSpec
from core.tickets import Failure, InvalidTicket, Metadata, Ticket, TicketFile, read, ticket_id, write

seeds = st.integers(0, 2**32 - 1)

metadata_of_all_kinds = st.builds(
    Metadata,
    dataset=st.none() | st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True),
    method=st.none() | st.sampled_from(["imp", "random", "ett", "upload"]),
    seed=st.none() | st.integers(0, 2**53 - 1),
    level=st.none() | st.integers(0, 1000),
    parent=st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    details=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.floats(-1e15, 1e15)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
        max_size=4,
    ),
)


def perceptron(inputs: int, outputs: int) -> Architecture:
    """One linear layer without a bias, of any size, zero included."""
    weight = TensorSpec("fc.weight", (outputs, inputs), Role.WEIGHT)
    anatomy = Anatomy(stages=(), fixed=("fc.weight",))
    names = frozenset({"fc.weight"})
    return Architecture("perceptron", "perceptron", (1, 1, inputs), outputs, (weight,), anatomy, names, names)


def full_ticket(architecture: Architecture, weight: np.ndarray) -> Ticket:
    return Ticket.from_dense(
        architecture, 0, {"fc.weight": np.ones(weight.shape, bool)}, {"fc.weight": weight}
    )


def is_mapped(array: np.ndarray | None) -> bool:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


class TestRead:
    @given(seeds, metadata_of_all_kinds)
    @settings(max_examples=60)
    def test_round_trip(
        self,
        random_ticket: Callable[[int], Ticket],
        file_of: Callable[..., bytes],
        read_bytes: Callable[[bytes], TicketFile],
        seed: int,
        metadata: Metadata,
    ) -> None:
        ticket = random_ticket(seed)
        content = file_of(ticket, metadata)
        found = read_bytes(content)
        assert ticket_id(found.ticket) == ticket_id(ticket)
        assert found.metadata == metadata
        assert found.ticket.architecture == ticket.architecture
        assert found.ticket.rewind_step == ticket.rewind_step
        assert found.ticket.masks == ticket.masks
        assert found.payload_bytes == ticket.payload_bytes
        assert found.header_bytes == len(content) - ticket.payload_bytes
        for name, array in ticket.weights().items():
            assert found.ticket.weights()[name].tobytes() == array.tobytes()
        assert file_of(found.ticket, found.metadata) == content

    def test_arrays_are_read_only_maps_of_the_file(
        self, file: bytes, read_bytes: Callable[[bytes], TicketFile]
    ) -> None:
        for array in read_bytes(file).ticket.stored().values():
            assert array.flags.aligned
            assert not array.flags.writeable
            assert is_mapped(array)

    def test_a_large_file_is_not_loaded(self, tmp_path: Path) -> None:
        architecture = perceptron(4096, 1024)
        ticket = full_ticket(architecture, np.random.default_rng(0).random((1024, 4096), np.float32))
        path = tmp_path / "large"
        with path.open("wb") as stream:
            write(ticket, Metadata(), stream)
        assert path.stat().st_size > 16_000_000
        tracemalloc.start()
        found = read(path, lambda *_: architecture)
        identity = ticket_id(found.ticket)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4_000_000
        assert identity == ticket_id(ticket)

    def test_a_bad_value_is_found_and_named_far_inside(self) -> None:
        weight = np.zeros((1024, 4096), np.float32)
        weight[1000, 7] = np.nan
        with pytest.raises(InvalidTicket) as caught:
            full_ticket(perceptron(4096, 1024), weight)
        assert caught.value.where == f"fc.weight.kept[{1000 * 4096 + 7}]"

    def test_an_empty_payload(self, tmp_path: Path) -> None:
        architecture = perceptron(0, 3)
        ticket = full_ticket(architecture, np.zeros((3, 0), np.float32))
        path = tmp_path / "empty"
        with path.open("wb") as stream:
            assert write(ticket, Metadata(), stream).payload_bytes == 0
        found = read(path, lambda *_: architecture)
        assert ticket_id(found.ticket) == ticket_id(ticket)
        assert found.ticket.weights()["fc.weight"].shape == (3, 0)
        # Where the header ends with a page of memory there is nothing left to map.
        path.write_bytes((4088).to_bytes(8, "little") + path.read_bytes()[8:].ljust(4088))
        assert ticket_id(read(path, lambda *_: architecture).ticket) == ticket_id(ticket)

    def test_a_ticket_with_no_survivors(
        self, ticket: Ticket, file_of: Callable[..., bytes], read_bytes: Callable[[bytes], TicketFile]
    ) -> None:
        nothing = {name: np.zeros(mask.shape, bool) for name, mask in ticket.masks.items()}
        emptied = Ticket.from_dense(ticket.architecture, 0, nothing, ticket.weights())
        found = read_bytes(file_of(emptied, Metadata())).ticket
        assert (found.survivors, found.sparsity) == (0, 1.0)
        assert ticket_id(found) == ticket_id(emptied)

    def test_a_file_that_shrinks_while_it_is_read(
        self, file: bytes, tmp_path: Path, describe: Callable[..., Architecture]
    ) -> None:
        path = tmp_path / "shrinking"
        path.write_bytes(file)

        def shrink(name: str, input: tuple[int, int, int], classes: int) -> Architecture:  # noqa: A002
            os.truncate(path, len(file) - 1)
            return describe(name, input, classes)

        with pytest.raises(InvalidTicket) as caught:
            read(path, shrink)
        assert caught.value.failure is Failure.PAYLOAD_TRUNCATED

    def test_a_file_that_is_not_there_is_no_invalid_ticket(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nothing")


class TestWithRealFamilies:
    @pytest.mark.parametrize(
        ("name", "shape", "classes"),
        [
            ("mlp_2", (1, 8, 8), 10),
            ("cifar_resnet_20", (3, 32, 32), 10),
            ("cifar_resnet_14_8", (1, 28, 28), 100),
        ],
    )
    def test_round_trip_by_name(
        self, tmp_path: Path, metadata: Metadata, name: str, shape: tuple[int, int, int], classes: int
    ) -> None:
        architecture = named_architecture(name, shape, classes)
        rng = np.random.default_rng(0)
        weights = {
            spec.name: np.ones(spec.shape, np.int64 if spec.dtype == "I64" else np.float32)
            for spec in architecture.tensors
        }
        masks = {spec.name: rng.random(spec.shape) < 0.1 for spec in architecture.prunable}
        ticket = Ticket.from_dense(architecture, 1000, masks, weights)
        path = tmp_path / "a.ticket.safetensors"
        with path.open("wb") as stream:
            size = write(ticket, metadata, stream)
        found = read(path)
        assert ticket_id(found.ticket) == ticket_id(ticket)
        assert found.ticket.architecture == architecture
        assert path.stat().st_size == sum(size)
