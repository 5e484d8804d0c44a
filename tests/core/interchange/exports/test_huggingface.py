from __future__ import annotations

import json
import re
import runpy
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from core.families import architecture
from core.interchange.exports.registry import EXPORTS
from core.interchange.exports.source import Source
from core.models import build
from core.tickets import Metadata

Same = Callable[[np.ndarray, np.ndarray], bool]
Unpacked = Callable[[Source], Path]


@pytest.fixture
def unpacked(written: Callable[[str, Source], Path]) -> Unpacked:
    """Writes a source and unpacks its one folder."""

    def unpack(source: Source) -> Path:
        path = written("huggingface", source)
        with tarfile.open(path) as tar:
            tar.extractall(path.parent / "models", filter="data")
        (folder,) = (path.parent / "models").iterdir()
        return folder

    return unpack


@pytest.fixture
def folder(source: Source, unpacked: Unpacked) -> Path:
    return unpacked(source)


def front_matter(folder: Path) -> dict[str, object]:
    _, text, _ = (folder / "README.md").read_text().split("---\n", 2)
    fields: dict[str, object] = yaml.safe_load(text)
    return fields


class TestFolder:
    def test_is_named_after_architecture_and_ticket(self, source: Source, folder: Path) -> None:
        assert folder.name == f"{source.ticket.architecture.name}-{source.identity[:8]}"
        assert {file.name for file in folder.iterdir()} == {"README.md", "config.json", "model.safetensors"}

    def test_the_model_is_the_safetensors_export(self, source: Source, folder: Path, tmp_path: Path) -> None:
        EXPORTS["safetensors"].write(source, tmp_path / "alone")
        assert (folder / "model.safetensors").read_bytes() == (tmp_path / "alone").read_bytes()


class TestConfig:
    def test_states_network_and_figures(self, source: Source, folder: Path) -> None:
        config, ticket = json.loads((folder / "config.json").read_text()), source.ticket
        assert config["architectures"] == [ticket.architecture.name]
        assert config["family"] == ticket.architecture.family
        assert (config["input"], config["classes"]) == (list(ticket.architecture.input), 5)
        assert config["rewind_step"] == 7
        assert (config["survivors"], config["prunable_weights"]) == (
            ticket.survivors,
            ticket.prunable_weights,
        )
        assert config["sparsity"] == (ticket.prunable_weights - ticket.survivors) / ticket.prunable_weights
        assert config["ticket"] == source.identity
        assert (config["dataset"], config["method"], config["seed"], config["level"]) == (
            "digits",
            "ett",
            3,
            2,
        )
        assert "definition" not in config

    def test_carries_the_definition_of_a_posted_architecture(
        self, sourced: Callable[..., Source], unpacked: Unpacked
    ) -> None:
        network = replace(architecture("mlp_1", (1, 2, 2), 3), definition='{"name":"mine"}')
        config = json.loads((unpacked(sourced(network)) / "config.json").read_text())
        assert config["definition"] == {"name": "mine"}


class TestCard:
    def test_front_matter_is_yaml_with_the_accuracies(self, source: Source, folder: Path) -> None:
        fields = front_matter(folder)
        assert fields["library_name"] == "pytorch"
        assert source.ticket.architecture.family in fields["tags"]
        (entry,) = fields["model-index"]
        found = [(one["dataset"]["type"], one["metrics"][0]["value"]) for one in entry["results"]]
        assert found == [("digits", 0.9312), ("mnist", 0.5)]

    def test_text_has_figures_and_lineage(self, source: Source, folder: Path) -> None:
        text = (folder / "README.md").read_text()
        assert f"| {source.ticket.survivors:,} of {source.ticket.prunable_weights:,} |" in text
        assert f"{source.ticket.sparsity * 100:.2f} %" in text
        assert "| `digits` | after the last step | 93.12 % ± 0.40 % | 3 |" in text
        assert "| `mnist` | best epoch, test-selected | 50.00 % | 1 |" in text
        assert f"| `{'ab' * 32}` | `mlp_3` | imp | 36.00 % |" in text

    def test_sections_without_content_are_left_out(
        self, sourced: Callable[..., Source], unpacked: Unpacked
    ) -> None:
        known = sourced(architecture("mlp_1", (1, 2, 2), 3))
        folder = unpacked(replace(known, metadata=Metadata(), figures=(), lineage=()))
        text = (folder / "README.md").read_text()
        assert "model-index" not in front_matter(folder)
        assert re.findall("^#+ .*", text, re.MULTILINE)[1:] == ["## Use"]
        assert "None" not in text

    def test_its_code_loads_the_ticket_and_keeps_pruned_weights_at_zero(
        self, source: Source, folder: Path, identical: Same, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder)
        (snippet,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
        assert len(snippet.splitlines()) <= 10
        Path("snippet.py").write_text(snippet)
        network = build(source.ticket.architecture)
        runpy.run_path("snippet.py", {"network": network})
        weights = source.ticket.weights()
        assert all(identical(value.numpy(), weights[name]) for name, value in network.state_dict().items())

        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
        for step in range(2):
            images = torch.randn(
                4, *source.ticket.architecture.input, generator=torch.Generator().manual_seed(step)
            )
            optimizer.zero_grad()
            network(images).square().mean().backward()
            optimizer.step()
        changed = 0
        for name, mask in source.ticket.bool_masks().items():
            trained = network.get_parameter(name).detach().numpy()
            assert not trained[~mask].any()
            changed += int((trained != weights[name]).sum())
        assert changed > 0
