"""The code in docs/file-formats.md, run as it is printed."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.families import architecture
from core.families.initialisation import initialise
from core.interchange.exports.registry import EXPORTS
from core.interchange.exports.source import Source
from core.jobs.formats import FORMATS
from core.models import build
from core.models.state import load_state
from core.pruning.channels import weight_masks, written_by
from core.pruning.early_bird import channel_mask
from core.pruning.random import random_mask
from core.tickets import Metadata, Ticket, ticket_id

DOCUMENT = (Path(__file__).parents[2] / "docs" / "file-formats.md").read_text()
SECTIONS = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE))


@pytest.fixture
def source() -> Source:
    network = architecture("cifar_resnet_8_4", (3, 8, 8), 10)
    masks = random_mask({spec.name: spec.shape for spec in network.prunable}, 500, 0)
    ticket = Ticket.from_dense(network, 7, masks, initialise(network, 0))
    return Source(ticket, Metadata(level=3), ticket_id(ticket))


def run(name: str, source: Source, network: torch.nn.Module) -> dict[str, Any]:
    """What the names of a section's code are worth after it ran in the current folder."""
    EXPORTS[name].write(source, Path(f"my{FORMATS[name].suffix}"))
    (snippet,) = re.findall(r"```python\n(.*?)```", SECTIONS[name], re.DOTALL)
    assert len(snippet.strip().splitlines()) <= 10
    Path("snippet.py").write_text(snippet)
    return runpy.run_path("snippet.py", {"network": network})


def test_every_format_has_its_section_and_its_row() -> None:
    assert list(SECTIONS) == list(FORMATS)
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\S+)` \|", DOCUMENT, re.MULTILINE))
    assert rows.pop("elasticket") == ".ticket.safetensors"
    assert rows == {name: facts.suffix for name, facts in FORMATS.items()}


class TestSnippets:
    @pytest.mark.parametrize("name", [name for name, facts in FORMATS.items() if not facts.network])
    def test_load_the_ticket_into_the_network(
        self, name: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        network = build(source.ticket.architecture)
        names = run(name, source, network)
        state, weights = network.state_dict(), source.ticket.weights()
        for tensor, expected in weights.items():
            held = f"{tensor}_orig" if name == "torch_prune" and tensor in source.ticket.masks else tensor
            assert np.array_equal(state[held].numpy(), expected)
        for tensor, mask in source.ticket.bool_masks().items():
            found = state[f"{tensor}_mask"] if name == "torch_prune" else names["masks"][tensor]
            assert np.array_equal(found.numpy(), mask)

    @pytest.mark.parametrize("name", ["onnx", "compact_onnx"])
    def test_run_the_onnx_file(
        self, name: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        network = computing(source)
        logits = run(name, source, network)["logits"]
        with torch.no_grad():
            expected = network(torch.zeros(1, *source.ticket.architecture.input)).numpy()
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("network", ["cifar_resnet_8_4", "cifar_mobilenetv1_1"])
    def test_make_the_network_as_small_as_the_compact_file(
        self, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        source = structured(network)
        smaller = build(source.ticket.architecture).eval()
        run("compact", source, smaller)
        images = torch.randn(2, *source.ticket.architecture.input, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            torch.testing.assert_close(smaller(images), computing(source)(images), rtol=1e-4, atol=1e-5)
        assert 2 * sum(p.numel() for p in smaller.parameters()) < source.ticket.prunable_weights


def structured(name: str) -> Source:
    """An early-bird ticket of half the channels."""
    network = architecture(name, (3, 8, 8), 10)
    weights = initialise(network, 0)
    channels = channel_mask({scale: weights[scale] for scale in written_by(network)}, 0.5)
    ticket = Ticket.from_dense(network, 7, weight_masks(network, channels), weights)
    return Source(ticket, Metadata(), ticket_id(ticket))


def computing(source: Source) -> torch.nn.Module:
    """The dense network with the ticket's weights."""
    network = build(source.ticket.architecture).eval()
    load_state(network, source.ticket.weights())
    return network
