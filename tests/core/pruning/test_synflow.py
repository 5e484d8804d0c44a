from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.families import architecture
from core.families.initialisation import initialise
from core.models import build
from core.models.state import load_state
from core.pruning.select import choose
from core.pruning.snip import snip
from core.pruning.synflow import saliency, synflow

Arrays = dict[str, np.ndarray]


def flow_of(network, weights: list[np.ndarray]) -> Arrays:
    """What flows into a weight from ones, times the weight, times what flows on to the logits; nothing has a sign."""
    weights = [np.abs(weight) for weight in weights]
    into = [np.ones(weights[0].shape[1])]
    for weight, bias in zip(weights, network.biases, strict=True):
        into.append(weight @ into[-1] + np.abs(bias))
    onward = [np.ones(weights[-1].shape[0])]
    for weight in reversed(weights[1:]):
        onward.append(weight.T @ onward[-1])
    layers = zip(weights, into, reversed(onward), strict=False)
    return network.named([weight * np.outer(after, before) for weight, before, after in layers])


def absolute(model: nn.Module) -> nn.Module:
    """Ready to be scored: float64, evaluation mode, no sign."""
    model.double().eval()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.abs_()
    return model


@pytest.fixture(scope="module")
def resnet_110() -> tuple[nn.Module, list[str]]:
    network = architecture("cifar_resnet_110", (3, 8, 8), 10)
    model = build(network)
    load_state(model, initialise(network, 0))
    return model, [tensor.name for tensor in network.prunable]


class TestSaliency:
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_the_flow_by_hand(self, perceptron, seed: int) -> None:
        network = perceptron(seed)
        expected = flow_of(network, network.weights)
        for name, score in saliency(absolute(network.module()), network.names, network.input).items():
            np.testing.assert_allclose(score, expected[name], rtol=1e-12)

    def test_on_resnet_110_it_is_finite_and_what_each_weight_adds_to_the_flow(
        self, resnet_110: tuple[nn.Module, list[str]]
    ) -> None:
        """The flow is linear in every single weight: a score is the flow lost without that weight."""
        model, names = resnet_110
        absolute(model)
        scores = saliency(model, names, (3, 8, 8))
        assert all(np.isfinite(score).all() for score in scores.values())

        @torch.no_grad()
        def flow() -> float:
            return float(model(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum())

        whole = flow()
        assert whole > torch.finfo(torch.float32).max
        rng = np.random.default_rng(0)
        for name in rng.choice(names, 20):
            weight = model.get_parameter(name)
            i = int(np.argmax(scores[name]))
            kept = float(weight.view(-1)[i].detach())
            with torch.no_grad():
                weight.view(-1)[i] = 0
            lost = whole - flow()
            with torch.no_grad():
                weight.view(-1)[i] = kept
            assert scores[name].flat[i] == pytest.approx(lost, rel=1e-6)
        # All paths end in the head: its weights carry the whole flow but for what its biases add.
        biases = float(model.get_parameter("fc.bias").detach().sum())
        assert scores["fc.weight"].sum() == pytest.approx(whole - biases, rel=1e-12)

    def test_in_float32_resnet_110_overflows_and_is_refused(
        self, resnet_110: tuple[nn.Module, list[str]]
    ) -> None:
        model, names = resnet_110
        absolute(model)
        with pytest.raises(ValueError, match=r"score of .* is (NaN|infinite)"):
            saliency(model.float(), names, (3, 8, 8))


class TestSynflow:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("dense", [(), ("5.weight",)])
    def test_equals_pruning_the_flow_by_hand(
        self, perceptron, sorted_choice: Callable[..., Arrays], seed: int, dense: tuple[str, ...]
    ) -> None:
        network = perceptron(seed)
        expected = {
            name: np.ones(w.shape, bool) for name, w in zip(network.names, network.weights, strict=True)
        }
        # ⌈62 · (15/62)^(e/4)⌉
        for kept in (44, 31, 22, 15):
            masked = [w * expected[name] for name, w in zip(network.names, network.weights, strict=True)]
            expected = sorted_choice(flow_of(network, masked), kept, dense, expected)
        masks = synflow(
            network.module(torch.float32).train(),
            network.names,
            network.input,
            15,
            4,
            partial(choose, dense=dense),
        )
        assert sum(int(mask.sum()) for mask in masks.values()) == 15
        for name in network.names:
            np.testing.assert_array_equal(masks[name], expected[name])

    def test_statistics_lose_their_sign_too(self, convolutional: nn.Module) -> None:
        assert (convolutional.bn1.running_mean < 0).any()
        assert (convolutional.bn1.bias < 0).any()
        synflow(convolutional, convolutional.names, (2, 4, 4), 100, 1, choose)
        assert all((tensor >= 0).all() for tensor in convolutional.state_dict().values())
        assert not convolutional.training

    def test_at_98_8_percent_resnet_110_keeps_no_layer_empty(
        self, resnet_110: tuple[nn.Module, list[str]]
    ) -> None:
        model, names = resnet_110
        model.float()
        masks = synflow(model, names, (3, 8, 8), 20_000, 8, choose)
        assert sum(int(mask.sum()) for mask in masks.values()) == 20_000
        assert all(mask.any() for mask in masks.values())

    def test_its_mask_is_not_snips(self, convolutional: nn.Module, images: tuple[Tensor, Tensor]) -> None:
        names = convolutional.names
        by_loss = snip(copy.deepcopy(convolutional).train(), names, *images, 60, 1, choose)
        by_flow = synflow(convolutional, names, (2, 4, 4), 60, 1, choose)
        assert any((by_loss[name] != by_flow[name]).any() for name in names)

    def test_a_score_that_is_not_finite_is_refused_by_name(self, perceptron) -> None:
        network = perceptron(0)
        model = network.module()
        with torch.no_grad():
            model[3].weight[0, 0] = torch.inf
        with pytest.raises(ValueError, match=r"score of \d\.weight is (NaN|infinite)"):
            synflow(model, network.names, network.input, 15, 4, choose)
