"""The README's code, run as it is printed."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from core.families import architecture
from core.families.initialisation import initialise
from core.pruning.random import random_mask
from core.tickets import Metadata, Ticket, write

README = (Path(__file__).parents[2] / "README.md").read_text()


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
        (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
        Path("snippet.py").write_text(snippet)
        state = runpy.run_path("snippet.py")["state"]
        expected = ticket.weights()
        assert state.keys() == expected.keys()
        assert all(np.array_equal(state[name].numpy(), values) for name, values in expected.items())
