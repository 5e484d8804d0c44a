"""What docs/ticket-format.md says, held to the code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.elastic.anatomy import Anatomy
from core.families.architecture import Architecture, Role, TensorSpec
from core.families.definition import Definition, ExampleTensor, StagePattern
from core.tickets import Metadata, Ticket, identity, ticket_id

DOCUMENT = (Path(__file__).parents[3] / "docs" / "ticket-format.md").read_text()


def block(language: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    return blocks[0]


@pytest.fixture
def example() -> Ticket:
    tensors = (TensorSpec("fc.weight", (2, 3), Role.WEIGHT), TensorSpec("fc.bias", (2,), Role.BIAS))
    anatomy = Anatomy(stages=(), fixed=("fc.weight", "fc.bias"))
    architecture = Architecture(
        "example", "example", (1, 1, 3), 2, tensors, anatomy, frozenset(), frozenset()
    )
    weights = {
        "fc.weight": np.array([[0.5, 0, -2], [0, 0, 1]], np.float32),
        "fc.bias": np.array([0, 0.25], np.float32),
    }
    return Ticket.from_dense(architecture, 1000, {"fc.weight": weights["fc.weight"] != 0}, weights)


class TestWorkedExample:
    def test_the_identity_object(self, example: Ticket) -> None:
        assert json.loads(block("json")) == identity(example)

    def test_the_id_the_mask_and_the_size(self, example: Ticket) -> None:
        assert f"`{ticket_id(example)}`" in DOCUMENT
        assert f"`0b{int(example.masks['fc.weight'].bits[0]):08b}`" in DOCUMENT
        assert f"= {example.payload_bytes} bytes" in DOCUMENT


class TestTenLines:
    def test_open_any_ticket_into_dense_arrays(
        self,
        random_ticket: Callable[[int], Ticket],
        file_of: Callable[..., bytes],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for seed in range(20):
            ticket = random_ticket(seed)
            (tmp_path / "my.ticket.safetensors").write_bytes(file_of(ticket, Metadata()))
            names: dict[str, Any] = {}
            exec(block("python"), names)  # the document's own code is what is under test
            expected = ticket.weights()
            assert names["dense"].keys() == expected.keys()
            for name, array in names["dense"].items():
                assert array.dtype == expected[name].dtype
                assert array.shape == expected[name].shape
                assert array.tobytes() == expected[name].tobytes()


class TestMetadataTable:
    def test_names_every_key_that_is_written(
        self, posted_ticket: Ticket, file_of: Callable[..., bytes]
    ) -> None:
        content = file_of(posted_ticket, Metadata(dataset="digits"))
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        assert set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE)) == header["__metadata__"].keys()

    def test_names_every_member_of_a_definition(self) -> None:
        rows = re.findall(r"^\| (\w+(?:, \w+)*) \|", DOCUMENT, re.MULTILINE)
        assert {name for row in rows for name in row.split(", ")} >= set(Definition.model_fields)
        assert all(
            f"{name}" in DOCUMENT for name in (*StagePattern.model_fields, *ExampleTensor.model_fields)
        )
