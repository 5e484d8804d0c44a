from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families.architecture import Architecture
from core.tickets import Metadata, Ticket, TicketFile, ticket_id

seeds = st.integers(0, 2**32 - 1)


def oracle(ticket: Ticket) -> str:
    """The definition again, from the dense arrays alone: its own packing, its own JSON."""
    state, masks = ticket.weights(), ticket.bool_masks()
    tensors = []
    for name in sorted(state):
        array = state[name]
        entry: dict[str, Any] = {"name": name, "shape": [*array.shape]}
        if name in masks:
            flags = masks[name].flatten().tolist()
            bits = bytes(
                sum(flag << place for place, flag in enumerate(flags[start : start + 8]))
                for start in range(0, len(flags), 8)
            )
            kept = b"".join(
                np.float32(value).astype("<f4").tobytes()
                for value, flag in zip(array.flatten(), flags, strict=True)
                if flag
            )
            entry |= {"dtype": "F32", "bits": sha256(bits), "kept": sha256(kept)}
        else:
            little = array.astype(array.dtype.newbyteorder("<"))
            dtype = "I64" if array.dtype == np.int64 else "F32"
            entry |= {"dtype": dtype, "data": sha256(little.tobytes())}
        tensors.append(entry)
    document = {
        "format": "elasticket/1",
        "architecture": ticket.architecture.name,
        "input": list(ticket.architecture.input),
        "classes": ticket.architecture.classes,
        "rewind_step": ticket.rewind_step,
        "tensors": tensors,
    }
    # ASCII strings and small integers only: here RFC 8785 is sorted keys without spaces.
    return sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def masks_with_one_bit_changed(ticket: Ticket) -> Iterator[Ticket]:
    for name, mask in ticket.bool_masks().items():
        for index in range(mask.size):
            changed = mask.copy()
            changed.reshape(-1)[index] ^= True
            yield Ticket.from_dense(
                ticket.architecture,
                ticket.rewind_step,
                {**ticket.bool_masks(), name: changed},
                ticket.weights(),
            )


def one_value_changed(arrays: Any) -> Iterator[dict[str, np.ndarray]]:
    for name, array in arrays.items():
        for index in range(array.size):
            changed = array.copy()
            flat = changed.reshape(-1)
            flat[index] = (
                flat[index] + 1 if array.dtype == np.int64 else np.nextafter(flat[index], np.float32(9))
            )
            yield {**arrays, name: changed}


class TestTicketId:
    @given(seeds)
    @settings(max_examples=60)
    def test_equals_the_definition(self, random_ticket: Callable[[int], Ticket], seed: int) -> None:
        ticket = random_ticket(seed)
        assert ticket_id(ticket) == oracle(ticket)

    def test_every_bit_of_the_mask_counts(self, ticket: Ticket) -> None:
        ids = [ticket_id(other) for other in masks_with_one_bit_changed(ticket)]
        assert len({ticket_id(ticket), *ids}) == 1 + 54 + 21

    def test_every_kept_value_counts(self, ticket: Ticket) -> None:
        ids = [ticket_id(dataclasses.replace(ticket, kept=kept)) for kept in one_value_changed(ticket.kept)]
        assert len({ticket_id(ticket), *ids}) == 1 + ticket.survivors

    def test_every_dense_value_and_buffer_counts(self, ticket: Ticket) -> None:
        ids = [
            ticket_id(dataclasses.replace(ticket, dense=dense)) for dense in one_value_changed(ticket.dense)
        ]
        assert len({ticket_id(ticket), *ids}) == 1 + 4 * 3 + 1 + 7

    def test_the_sign_of_zero_counts(self, ticket: Ticket) -> None:
        ids = set()
        for zero in (0.0, -0.0):
            bias = np.full(7, zero, np.float32)
            ids.add(ticket_id(dataclasses.replace(ticket, dense={**ticket.dense, "fc.bias": bias})))
        assert len(ids) == 2

    def test_the_rewind_step_counts(self, ticket: Ticket) -> None:
        assert ticket_id(dataclasses.replace(ticket, rewind_step=1001)) != ticket_id(ticket)

    def test_a_surviving_zero_is_not_a_pruned_weight(
        self, architecture: Architecture, state: Callable[[int], dict[str, np.ndarray]]
    ) -> None:
        weights = state(0)
        full = {spec.name: np.ones(spec.shape, bool) for spec in architecture.prunable}
        weights["fc.weight"][0, 0] = 0
        pruned = full["fc.weight"].copy()
        pruned[0, 0] = False
        one = Ticket.from_dense(architecture, 0, full, weights)
        other = Ticket.from_dense(architecture, 0, {**full, "fc.weight": pruned}, weights)
        assert np.array_equal(one.weights()["fc.weight"], other.weights()["fc.weight"])
        assert ticket_id(one) != ticket_id(other)

    @pytest.mark.parametrize(
        "change", [{"name": "tiny_other"}, {"input": (2, 9, 8)}, {"input": (2, 8, 9)}, {"classes": 8}]
    )
    def test_the_architecture_its_input_and_its_classes_count(
        self, ticket: Ticket, change: dict[str, Any]
    ) -> None:
        other = dataclasses.replace(ticket, architecture=dataclasses.replace(ticket.architecture, **change))
        assert ticket_id(other) != ticket_id(ticket)

    def test_a_tensors_name_and_shape_count(self, ticket: Ticket) -> None:
        specs = ticket.architecture.tensors
        renamed = dataclasses.replace(specs[-1], name="fc.offset")
        dense = {name: array for name, array in ticket.dense.items() if name != "fc.bias"}
        other = dataclasses.replace(
            ticket,
            architecture=dataclasses.replace(ticket.architecture, tensors=(*specs[:-1], renamed)),
            dense={**dense, "fc.offset": ticket.dense["fc.bias"]},
        )
        reshaped = dataclasses.replace(
            ticket,
            architecture=dataclasses.replace(
                ticket.architecture, tensors=(*specs[:-1], dataclasses.replace(specs[-1], shape=(1, 7)))
            ),
            dense={**dense, "fc.bias": ticket.dense["fc.bias"].reshape(1, 7)},
        )
        assert len({ticket_id(ticket), ticket_id(other), ticket_id(reshaped)}) == 3

    def test_the_family_and_the_order_of_tensors_do_not_count(self, ticket: Ticket) -> None:
        tensors = ticket.architecture.tensors[::-1]
        other = dataclasses.replace(ticket.architecture, family="other", tensors=tensors)
        assert ticket_id(dataclasses.replace(ticket, architecture=other)) == ticket_id(ticket)

    def test_metadata_does_not_count(
        self,
        ticket: Ticket,
        file_of: Callable[..., bytes],
        read_bytes: Callable[[bytes], TicketFile],
        metadata: Metadata,
    ) -> None:
        files = [file_of(ticket, metadata), file_of(ticket, Metadata())]
        assert files[0] != files[1]
        assert {ticket_id(read_bytes(content).ticket) for content in files} == {ticket_id(ticket)}

    @given(order=st.permutations(range(10)))
    @settings(max_examples=30)
    def test_the_layout_of_the_file_does_not_count(
        self,
        ticket: Ticket,
        file: bytes,
        draft_of: Callable[[bytes], Any],
        read_bytes: Callable[[bytes], TicketFile],
        order: list[int],
    ) -> None:
        draft = draft_of(file)
        names = list(draft.tensors)
        draft.tensors = {names[i]: draft.tensors[names[i]] for i in order}
        found = read_bytes(draft.lay_out().build())
        assert ticket_id(found.ticket) == ticket_id(ticket)
        expected = ticket.weights()
        assert all(np.array_equal(array, expected[name]) for name, array in found.ticket.weights().items())
