from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from core.interchange.exports.source import Source

Same = Callable[[np.ndarray, np.ndarray], bool]


class TestWrite:
    def test_the_official_reader_finds_weights_and_masks(
        self, source: Source, written: Callable[[str, Source], Path], identical: Same
    ) -> None:
        found = safetensors.numpy.load_file(written("safetensors", source))
        weights, masks = source.ticket.weights(), source.ticket.bool_masks()
        assert found.keys() == {*weights, *(f"{name}_mask" for name in masks)}
        assert all(identical(found[name], array) for name, array in weights.items())
        assert all(identical(found[f"{name}_mask"], mask) for name, mask in masks.items())

    def test_metadata_describe_the_ticket(
        self, source: Source, written: Callable[[str, Source], Path]
    ) -> None:
        with safetensors.safe_open(written("safetensors", source), framework="numpy") as file:
            metadata = file.metadata()
        architecture = source.ticket.architecture
        assert metadata.keys() >= {"format", "ticket", "architecture", "input", "classes", "rewind_step"}
        assert metadata["format"] == "pt"
        assert metadata["ticket"] == source.identity
        assert metadata["architecture"] == architecture.name
        assert json.loads(metadata["input"]) == list(architecture.input)
        assert (metadata["classes"], metadata["rewind_step"]) == ("5", "7")
        assert metadata["dataset"] == "digits"
        assert json.loads(metadata["provenance"])["level"] == 2

    def test_tensors_are_aligned_to_their_type(
        self, source: Source, written: Callable[[str, Source], Path]
    ) -> None:
        content = written("safetensors", source).read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        del header["__metadata__"]
        widths = {"I64": 8, "F32": 4, "BOOL": 1}
        assert all(
            (8 + length + one["data_offsets"][0]) % widths[one["dtype"]] == 0 for one in header.values()
        )
