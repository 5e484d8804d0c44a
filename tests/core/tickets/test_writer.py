from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load

from core.tickets import Failure, InvalidTicket, Metadata, Ticket, header, write

seeds = st.integers(0, 2**32 - 1)


class TestWrite:
    @given(seeds)
    @settings(max_examples=50)
    def test_payload_is_survivors_masks_and_dense_bytes(
        self, random_ticket: Callable[[int], Ticket], metadata: Metadata, seed: int
    ) -> None:
        ticket = random_ticket(seed)
        stream = io.BytesIO()
        size = write(ticket, metadata, stream)
        dense = sum(array.nbytes for name, array in ticket.weights().items() if name not in ticket.masks)
        masks = sum((mask.size + 7) // 8 for mask in ticket.masks.values())
        assert size.payload_bytes == ticket.payload_bytes == ticket.survivors * 4 + masks + dense
        assert size.header_bytes == 8 + int.from_bytes(stream.getvalue()[:8], "little")
        assert len(stream.getvalue()) == size.header_bytes + size.payload_bytes
        assert size.header_bytes % 8 == 0

    def test_the_same_ticket_and_metadata_give_the_same_bytes(
        self, ticket: Ticket, file: bytes, metadata: Metadata, file_of: Callable[..., bytes]
    ) -> None:
        masks = dict(reversed(ticket.bool_masks().items()))
        weights = dict(reversed(ticket.weights().items()))
        again = Ticket.from_dense(ticket.architecture, ticket.rewind_step, masks, weights)
        details = dict(reversed(metadata.details.items()))
        assert file_of(again, metadata.model_copy(update={"details": details})) == file

    @given(seeds)
    @settings(max_examples=30)
    def test_the_official_library_opens_it(
        self, random_ticket: Callable[[int], Ticket], file_of: Callable[..., bytes], seed: int
    ) -> None:
        ticket = random_ticket(seed)
        tensors = load(file_of(ticket, Metadata()))
        assert tensors.keys() == ticket.stored().keys()
        for name, array in ticket.stored().items():
            assert tensors[name].dtype == array.dtype
            assert tensors[name].shape == array.shape
            assert tensors[name].tobytes() == array.tobytes()

    def test_the_official_library_reads_its_metadata(self, file: bytes, tmp_path: Path) -> None:
        path = tmp_path / "a.ticket.safetensors"
        path.write_bytes(file)
        with safe_open(path, framework="numpy") as opened:
            assert opened.metadata() == {
                "format": "elasticket/1",
                "architecture": "tiny_3",
                "input": "[2,8,8]",
                "classes": "7",
                "rewind_step": "1000",
                "shapes": '{"conv.weight":[3,2,3,3],"fc.weight":[7,3]}',
                "dataset": "cifar10",
                "provenance": '{"details":{"note":"é","rate":0.2},"level":10,"method":"imp","parent":"'
                + "ab" * 32
                + '","seed":2}',
            }

    def test_wide_types_come_first_and_then_names(self, file: bytes) -> None:
        entries: dict[str, Any] = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
        del entries["__metadata__"]
        order = sorted(entries, key=lambda name: entries[name]["data_offsets"])
        assert order == [
            "bn.num_batches_tracked",
            "bn.bias",
            "bn.running_mean",
            "bn.running_var",
            "bn.weight",
            "conv.weight.kept",
            "fc.bias",
            "fc.weight.kept",
            "conv.weight.bits",
            "fc.weight.bits",
        ]

    def test_a_header_that_no_reader_takes_is_not_written(
        self, ticket: Ticket, metadata: Metadata, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("core.tickets.writer.MAX_HEADER", 512)
        stream = io.BytesIO()
        with pytest.raises(InvalidTicket) as caught:
            write(ticket, metadata, stream)
        assert caught.value.failure is Failure.HEADER_TOO_LARGE
        assert stream.getvalue() == b""
        assert header.MAX_HEADER == 4 * 1024 * 1024

    def test_arrays_in_column_order_are_written_in_row_order(
        self, ticket: Ticket, file_of: Callable[..., bytes]
    ) -> None:
        weights = {
            name: np.asfortranarray(array) if array.ndim else array
            for name, array in ticket.weights().items()
        }
        again = Ticket.from_dense(ticket.architecture, ticket.rewind_step, ticket.bool_masks(), weights)
        assert file_of(again, Metadata()) == file_of(ticket, Metadata())
