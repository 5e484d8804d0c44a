"""`dense` and `torch_prune`: opened by torch, into networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils import prune

from core.interchange.exports.source import Source
from core.models import build
from core.models.state import load_state

Same = Callable[[np.ndarray, np.ndarray], bool]
Written = Callable[[str, Source], Path]


class TestDense:
    def test_is_the_state_dict_in_its_order(self, source: Source, written: Written, identical: Same) -> None:
        found = torch.load(written("dense", source), weights_only=True)
        network = build(source.ticket.architecture)
        network.load_state_dict(found)
        assert list(found) == list(network.state_dict())
        for name, array in source.ticket.weights().items():
            assert identical(found[name].numpy(), array)


class TestTorchPrune:
    def test_loads_strictly_into_a_module_under_prune(
        self, source: Source, written: Written, identical: Same
    ) -> None:
        network = build(source.ticket.architecture)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                prune.identity(module, "weight")
        network.load_state_dict(torch.load(written("torch_prune", source), weights_only=True), strict=True)
        weights, state = source.ticket.weights(), network.state_dict()
        for name, mask in source.ticket.bool_masks().items():
            assert identical(state[f"{name}_mask"].numpy(), mask.astype(np.float32))
            assert identical(state[f"{name}_orig"].numpy(), weights[name])
        for name in weights.keys() - source.ticket.masks.keys():
            assert identical(state[name].numpy(), weights[name])

    def test_computes_what_the_ticket_computes(self, source: Source, written: Written) -> None:
        plain = build(source.ticket.architecture).eval()
        load_state(plain, source.ticket.weights())
        pruned = build(source.ticket.architecture).eval()
        for name, mask in source.ticket.bool_masks().items():
            module = pruned.get_submodule(name.removesuffix(".weight"))
            prune.custom_from_mask(module, "weight", torch.ones(mask.shape))
        pruned.load_state_dict(torch.load(written("torch_prune", source), weights_only=True))
        images = torch.randn(2, *source.ticket.architecture.input, generator=torch.Generator().manual_seed(0))
        logits = plain(images)
        assert not torch.equal(logits[0], logits[1])
        assert torch.equal(logits, pruned(images))
