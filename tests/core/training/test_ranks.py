from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.datasets import Dataset
from core.families import architecture
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe
from core.training.batch_norm import batch_norm
from core.training.mode import Mode
from core.training.ranks import ALONE, Ranks


@pytest.fixture
def recipe(recipe: Recipe) -> Recipe:
    """50 steps in epochs of 7; the shares of two ranks are 3 and 4 images, and of an epoch's last batch 1 and 1."""
    return Recipe.model_validate(recipe.model_dump() | {"length": "50it", "batch": 7, "nesterov": True})


@pytest.fixture
def run(
    resnet: Architecture, photographs: Dataset, recipe: Recipe, start: Any, train_alone: Any, recorder: Any
) -> Any:
    """One rank's part of a training, and what its observer saw; alone, the whole of it."""

    def run(ranks: Ranks = ALONE, **changes: Any) -> Any:
        observer = recorder(changes.pop("at", {1, 6, 7, 25}))
        arguments = {
            "seed": 5,
            "weights": start.weights,
            "masks": start.masks,
            "observer": observer,
            **changes,
        }
        network, chosen = arguments.pop("network", resnet), arguments.pop("recipe", recipe)
        return train_alone(network, photographs, chosen, ranks=ranks, **arguments), observer

    return run


def furthest(found: Any, expected: Any) -> float:
    """The largest difference between weights, or buffers, of equal names."""
    assert list(found) == list(expected)
    return max(float(np.abs(found[name] - expected[name]).max()) for name in expected)


class TestShare:
    @pytest.mark.parametrize("count", [0, 1, 2, 5, 128])
    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    def test_every_row_is_in_one_share_and_shares_are_even(self, count: int, size: int) -> None:
        shares = [list(range(count))[Ranks(rank, size).share(count)] for rank in range(size)]
        assert [row for share in shares for row in share] == list(range(count))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


class TestTraining:
    def test_two_ranks_end_where_one_process_does(self, run: Any, on_ranks: Any, start: Any) -> None:
        alone, seen_alone = run()
        both = on_ranks(2, run)
        for trained, seen in both:
            assert furthest(trained.weights, alone.weights) < 1e-4
            assert trained.weights["bn.num_batches_tracked"] == 50
            assert seen.steps == seen_alone.steps
            for found, expected in zip(trained.history, alone.history, strict=True):
                assert (found.step, found.total, found.correct) == (expected.step, 17, expected.correct)
                assert found.train_loss == pytest.approx(expected.train_loss, abs=1e-4)
                assert found.test_loss == pytest.approx(expected.test_loss, abs=1e-4)
            assert [state.step for state in seen.states] == [1, 6, 7, 25]
            for state, expected in zip(seen.states, seen_alone.states, strict=True):
                assert (state.seen, state.step) == (expected.seen, expected.step)
                assert state.loss_sum == pytest.approx(expected.loss_sum, abs=1e-4)
                for name, mask in start.masks.items():
                    assert np.array_equal(state.masks[name], mask)
                    assert not state.weights[name][~mask].any()
                    assert not state.slots["momentum_buffer"][name][~mask].any()
                    assert state.weights[name][mask].all()
        assert furthest(both[0][0].weights, both[1][0].weights) == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"batch": 43},
            {"optimizer": "adam", "momentum": 0.0, "nesterov": False, "lr": 0.001},
            {"label_smoothing": 0.2},
        ],
        ids=["no row of an epoch's last batch for one rank", "adam", "smoothed"],
    )
    def test_so_they_do_whatever_the_recipe(
        self, run: Any, on_ranks: Any, recipe: Recipe, changes: Any
    ) -> None:
        chosen = Recipe.model_validate(recipe.model_dump() | changes | {"length": "12it"})
        alone, _ = run(recipe=chosen)
        for trained, _ in on_ranks(2, lambda ranks: run(ranks, recipe=chosen)):
            assert furthest(trained.weights, alone.weights) < 1e-4
            assert trained.last.train_loss == pytest.approx(alone.last.train_loss, abs=1e-4)

    def test_more_ranks_than_rows_of_a_batch(self, run: Any, on_ranks: Any, recipe: Recipe) -> None:
        chosen = Recipe.model_validate(recipe.model_dump() | {"length": "8it"})
        alone, _ = run(recipe=chosen)
        for trained, _ in on_ranks(3, lambda ranks: run(ranks, recipe=chosen)):
            assert furthest(trained.weights, alone.weights) < 1e-4

    def test_resumed_from_a_state_they_end_in_the_same_bits(self, run: Any, on_ranks: Any) -> None:
        undisturbed = on_ranks(3, lambda ranks: run(ranks, at={9}, end_step=14))
        state = undisturbed[0][1].states[0]
        for trained, _ in on_ranks(3, lambda ranks: run(ranks, state=state, end_step=14)):
            assert furthest(trained.weights, undisturbed[0][0].weights) == 0

    def test_perceptrons_in_fast_mode(
        self, run: Any, on_ranks: Any, photographs: Dataset, make_start: Any
    ) -> None:
        network = architecture("mlp_1", photographs.facts.input, photographs.facts.classes)
        start = make_start(network)
        given = {"network": network, "weights": start.weights, "masks": start.masks, "mode": Mode()}
        alone, _ = run(**given)
        for trained, _ in on_ranks(2, lambda ranks: run(ranks, **given)):
            assert furthest(trained.weights, alone.weights) < 1e-4

    def test_a_rank_whose_peer_has_ended_says_so(self, run: Any, on_ranks: Any) -> None:
        def work(ranks: Ranks) -> None:
            if ranks.rank == 0:
                run(ranks)

        with pytest.raises(Exception, match=r"RankLost: rank 0 of 2"):
            on_ranks(2, work)


class TestLocalBatchNorm:
    def test_every_rank_normalises_by_its_own_rows(self, run: Any, on_ranks: Any) -> None:
        alone, _ = run()
        (first, _), (second, _) = on_ranks(2, run, "local")
        assert furthest(first.weights, alone.weights) > 1e-3
        assert furthest(first.weights, second.weights) == 0
        assert first.last.test_loss == second.last.test_loss

    def test_a_rank_without_rows_learns_no_statistics(self, run: Any, on_ranks: Any, recipe: Recipe) -> None:
        chosen = Recipe.model_validate(recipe.model_dump() | {"length": "2it", "batch": 43})
        for trained, _ in on_ranks(2, lambda ranks: run(ranks, recipe=chosen), "local"):
            assert all(np.isfinite(array).all() for array in trained.weights.values())


class TestBatchNorm:
    @pytest.mark.parametrize("shape", [(5, 3), (5, 3, 7), (6, 3, 4, 4)])
    @pytest.mark.parametrize("affine", [True, False])
    @pytest.mark.parametrize("momentum", [0.1, 0.5])
    def test_of_all_rows_equals_torchs(
        self, on_ranks: Any, shape: Any, affine: bool, momentum: float
    ) -> None:
        draw = torch.Generator().manual_seed(3)
        rows, gradient = (torch.randn(shape, generator=draw) * 3 + 100 for _ in range(2))
        gradient -= 100
        scale = (torch.tensor([0.5, -2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0])) if affine else (None, None)

        def normalised(ranks: Ranks, function: Any) -> Any:
            chosen = ranks.share(len(rows))
            mine = rows[chosen].clone().requires_grad_()
            weight, bias = (None if part is None else part.clone().requires_grad_() for part in scale)
            mean, var = torch.full((3,), 7.0), torch.full((3,), 2.0)
            output = function(mine, mean, var, weight, bias, True, momentum, 1e-3)
            output.backward(gradient[chosen])
            summed = [part.grad.numpy() for part in (weight, bias) if part is not None]
            return output.detach().numpy(), mine.grad.numpy(), mean.numpy(), var.numpy(), summed

        expected = normalised(ALONE, F.batch_norm)
        found = on_ranks(2, lambda ranks: normalised(ranks, lambda *given: batch_norm(ranks, *given)))
        for part in (0, 1):
            np.testing.assert_allclose(
                np.concatenate([rank[part] for rank in found]), expected[part], rtol=1e-4, atol=1e-4
            )
        for part in (2, 3):
            for rank in found:
                np.testing.assert_allclose(rank[part], expected[part], rtol=1e-5)
        for number, whole in enumerate(expected[4]):
            np.testing.assert_allclose(sum(rank[4][number] for rank in found), whole, rtol=1e-4, atol=1e-4)
