from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from core.pruning.force import force
from core.pruning.select import choose
from core.pruning.snip import snip

Arrays = dict[str, np.ndarray]


def by_hand(
    network, choice: Callable[..., Arrays], counts: list[int], dense: tuple[str, ...] = ()
) -> list[Arrays]:
    """The masks of every round: all weights times the gradient of the masked network, sorted."""
    rounds: list[Arrays] = []
    masked = network.weights
    for kept in counts:
        gradients = network.gradient(masked)
        pairs = zip(network.weights, gradients, strict=True)
        scores = network.named([np.abs(weight * gradient) for weight, gradient in pairs])
        rounds.append(choice(scores, kept, dense))
        masked = [w * rounds[-1][name] for name, w in zip(network.names, network.weights, strict=True)]
    return rounds


class TestForce:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("dense", [(), ("5.weight",)])
    def test_equals_scoring_by_hand(
        self, perceptron, sorted_choice: Callable[..., Arrays], seed: int, dense: tuple[str, ...]
    ) -> None:
        network = perceptron(seed)
        # ⌈62 · (15/62)^(e/4)⌉
        expected = by_hand(network, sorted_choice, [44, 31, 22, 15], dense)[-1]
        masks = force(network.module(), network.names, *network.batch(), 15, 4, partial(choose, dense=dense))
        for name in network.names:
            np.testing.assert_array_equal(masks[name], expected[name])
        assert sum(int(mask.sum()) for mask in masks.values()) == 15

    def test_a_pruned_weight_may_return(self, perceptron, sorted_choice: Callable[..., Arrays]) -> None:
        returned = 0
        for seed in range(8):
            rounds = by_hand(perceptron(seed), sorted_choice, [44, 31, 22, 15])
            for before, after in pairwise(rounds):
                returned += sum(int((after[name] & ~before[name]).sum()) for name in after)
        assert returned > 0

    def test_one_round_is_snip(self, perceptron) -> None:
        network = perceptron(2)
        one = force(network.module(), network.names, *network.batch(), 20, 1, choose)
        other = snip(network.module(), network.names, *network.batch(), 20, 1, choose)
        for name in network.names:
            np.testing.assert_array_equal(one[name], other[name])
