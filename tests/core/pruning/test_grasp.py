from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.pruning.grasp import balanced_halves, grasp, scores
from core.pruning.select import choose

Arrays = dict[str, np.ndarray]

HALVES = (slice(0, 4), slice(4, 8))


def by_differences(network) -> Arrays:
    """−w ⊙ Hg / (|Σ| + 1e-10): Hg as the change of the gradient that was derived by hand, along g."""

    def gradient(weights: list[np.ndarray]) -> list[np.ndarray]:
        halves = (network.gradient(weights, half, 200) for half in HALVES)
        return [first + second for first, second in zip(*halves, strict=True)]

    g, step = gradient(network.weights), 1e-4
    ahead, behind = (
        gradient([w + sign * step * d for w, d in zip(network.weights, g, strict=True)]) for sign in (1, -1)
    )
    hg = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    products = [-w * h for w, h in zip(network.weights, hg, strict=True)]
    norm = abs(sum(product.sum() for product in products)) + 1e-10
    return network.named([product / norm for product in products])


def halves_of(network) -> list[tuple[Tensor, Tensor]]:
    images, labels = network.batch()
    return [(images[half], labels[half]) for half in HALVES]


class TestScores:
    @pytest.mark.parametrize("seed", range(4))
    def test_equals_differences_of_the_gradient(self, perceptron, seed: int) -> None:
        network = perceptron(seed)
        expected = by_differences(network)
        for name, score in scores(network.module(), network.names, halves_of(network)).items():
            np.testing.assert_allclose(score, expected[name], rtol=1e-5, atol=1e-8)

    def test_the_network_is_in_train_mode_and_nothing_of_it_moves(
        self, convolutional: nn.Module, images: tuple[Tensor, Tensor]
    ) -> None:
        halves = [(images[0][:3], images[1][:3]), (images[0][3:], images[1][3:])]
        one = scores(convolutional.eval(), convolutional.names, halves)
        before = {name: tensor.clone() for name, tensor in convolutional.state_dict().items()}
        scores(convolutional, convolutional.names, halves)
        assert all(torch.equal(tensor, before[name]) for name, tensor in convolutional.state_dict().items())
        assert all(parameter.grad is None for parameter in convolutional.parameters())
        with torch.no_grad():
            for name, buffer in convolutional.named_buffers():
                if name.endswith(("mean", "var")):
                    buffer.add_(1)
        other = scores(convolutional, convolutional.names, halves)
        for name in convolutional.names:
            np.testing.assert_array_equal(one[name], other[name])


class TestGrasp:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("dense", [(), ("5.weight",)])
    @pytest.mark.parametrize("survivors", [12, 20, 45, 61])
    def test_the_largest_signed_scores_go(
        self,
        perceptron,
        sorted_choice: Callable[..., Arrays],
        seed: int,
        dense: tuple[str, ...],
        survivors: int,
    ) -> None:
        network = perceptron(seed)
        # What a dead ReLU cuts off has a score of exactly 0 in both, and ties decide.
        removed_last = {name: -score for name, score in by_differences(network).items()}
        expected = sorted_choice(removed_last, survivors, dense)
        masks = grasp(
            network.module(), network.names, halves_of(network), survivors, partial(choose, dense=dense)
        )
        for name in network.names:
            np.testing.assert_array_equal(masks[name], expected[name])

    def test_without_its_sign_the_mask_would_be_another(
        self, perceptron, sorted_choice: Callable[..., Arrays]
    ) -> None:
        network = perceptron(0)
        signed = by_differences(network)
        assert (
            min(score.min() for score in signed.values()) < 0 < max(score.max() for score in signed.values())
        )
        masks = grasp(network.module(), network.names, halves_of(network), 50, choose)
        for kept in (np.negative, np.abs, lambda score: -np.abs(score), np.positive):
            chosen = sorted_choice({name: kept(score) for name, score in signed.items()}, 50)
            same = all((masks[name] == chosen[name]).all() for name in network.names)
            assert same == (kept is np.negative)


def batches(labels: list[int], size: int) -> list[tuple[Tensor, Tensor]]:
    """Images that hold their own position."""
    images = torch.arange(len(labels), dtype=torch.float32).reshape(-1, 1, 1, 1)
    return list(zip(images.split(size), torch.tensor(labels).split(size), strict=True))


class TestBalancedHalves:
    @pytest.mark.parametrize("size", [1, 3, 100])
    @pytest.mark.parametrize("per_class", [2, 3, 4, 25])
    def test_they_hold_the_first_of_each_class(self, size: int, per_class: int) -> None:
        labels = np.random.default_rng(per_class).integers(0, 3, 200).tolist()
        first, second = balanced_halves(batches(labels, size), 3, per_class)
        expected: tuple[list[int], list[int]] = ([], [])
        for label in range(3):
            places = [i for i, one in enumerate(labels) if one == label][:per_class]
            middle = (per_class + 1) // 2
            expected[0].extend(places[:middle])
            expected[1].extend(places[middle:])
        for (images, classes), places in zip((first, second), expected, strict=True):
            assert images.flatten().tolist() == sorted(places)
            assert classes.tolist() == [labels[i] for i in sorted(places)]
            assert len(set(np.bincount(classes.numpy(), minlength=3))) == 1

    def test_no_batch_is_read_that_is_not_needed(self) -> None:
        stream = iter(batches([0, 1, 0, 1, 0, 1, 0, 1], 2))
        balanced_halves(stream, 2, 2)
        assert len(list(stream)) == 2

    def test_data_that_run_out_are_refused_by_the_scarcest_class(self) -> None:
        with pytest.raises(ValueError, match="3 images of each class are needed; class 1 has 2"):
            balanced_halves(batches([0, 0, 0, 1, 1, 2, 2, 2], 3), 3, 3)

    def test_a_class_that_makes_no_two_halves_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least 2"):
            balanced_halves(batches([0, 1], 2), 2, 1)
