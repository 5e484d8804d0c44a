"""The README's code, run as it is printed."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from core.families import architecture
from core.families.initialisation import initialise
from core.interchange.exports.registry import EXPORTS
from core.interchange.exports.source import Source
from core.jobs.formats import FORMATS
from core.models import build
from core.pruning.random import random_mask
from core.tickets import Metadata, Ticket, ticket_id, write

README = (Path(__file__).parents[2] / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


class TestPlainPyTorch:
    def test_the_snippet_opens_a_ticket_into_a_state_dict(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network = architecture("cifar_resnet_8_4", (3, 8, 8), 10)
        masks = random_mask({spec.name: spec.shape for spec in network.prunable}, 500, 0)
        ticket = Ticket.from_dense(network, 7, masks, initialise(network, 0))
        monkeypatch.chdir(tmp_path)
        with Path("mlp_4.ticket.safetensors").open("wb") as stream:
            write(ticket, Metadata(), stream)
        Path("snippet.py").write_text(SNIPPETS[0])
        state = runpy.run_path("snippet.py")["state"]
        expected = ticket.weights()
        assert state.keys() == expected.keys()
        assert all(np.array_equal(state[name].numpy(), values) for name, values in expected.items())

    def test_the_other_formats_open_as_shown(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        network = architecture("cifar_resnet_8_4", (3, 8, 8), 10)
        shapes = {spec.name: spec.shape for spec in network.prunable}
        ticket = Ticket.from_dense(network, 7, random_mask(shapes, 500, 0), initialise(network, 0))
        monkeypatch.chdir(tmp_path)
        source = Source(ticket, Metadata(level=3), ticket_id(ticket))
        for name in ("dense", "torch_prune", "safetensors", "open_lth"):
            EXPORTS[name].write(source, Path(f"my{FORMATS[name].suffix}"))
        Path("snippet.py").write_text(SNIPPETS[1])
        model = build(network)
        found = runpy.run_path("snippet.py", {"network": model})
        for name, mask in ticket.bool_masks().items():
            for masks, key in (
                (found["pruned"], f"{name}_mask"),
                (found["both"], f"{name}_mask"),
                (found["masks"], name),
            ):
                assert np.array_equal(masks[key].numpy() != 0, mask)
        for name, values in ticket.weights().items():
            assert np.array_equal(model.state_dict()[name].numpy(), values)
            assert np.array_equal(found["state"][name].numpy(), values)
