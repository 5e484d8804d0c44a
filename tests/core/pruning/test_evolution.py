from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.methods import DynamicParameters
from core.pruning.evolution import Evolution


def evolution(**changes: object) -> Evolution:
    given = {"survivors": 1, "every": 100, **changes}
    found = Evolution.of(DynamicParameters.model_validate(given), 1000, 5)
    assert found is not None
    return found


class TestOf:
    def test_a_static_mask_has_none(self) -> None:
        assert Evolution.of(DynamicParameters(method="static", survivors=1), 1000, 0) is None

    @pytest.mark.parametrize(
        ("share", "length", "end"),
        [(0.75, 1000, 750), (0.75, 999, 749), (0.07, 100, 7), (0, 10, 0), (1, 10, 10)],
    )
    def test_it_ends_after_the_share_of_the_run(self, share: float, length: int, end: int) -> None:
        found = Evolution.of(DynamicParameters(survivors=1, end=share), length, 0)
        assert found is not None
        assert found.end == end


class TestDue:
    @given(st.integers(0, 50), st.integers(1, 40), st.integers(0, 60))
    def test_from_begin_on_every_so_many_steps_up_to_the_end(self, begin: int, every: int, more: int) -> None:
        found = Evolution("rigl", 0.3, every, begin, begin + more, 0)
        expected = list(range(begin, begin + more + 1, every))
        assert [step for step in range(200) if found.due(step)] == expected


class TestShare:
    def test_falls_from_alpha_over_the_steps_between_begin_and_end(self) -> None:
        found = evolution(begin=250, alpha=0.4)
        assert found.share(0) == 0.4
        assert found.share(250) == pytest.approx(0.2)
        assert found.share(500) == found.share(750) == 0.0


class TestUpdated:
    weight = torch.tensor([[0.0, 3.0, 0.0], [-1.0, 2.0, 0.0]])
    mask = weight != 0
    gradient = torch.tensor([[-5.0, 0.0, 4.0], [1.0, 1.0, -6.0]])

    def test_rigl_grows_the_largest_gradients_whatever_their_sign(self) -> None:
        found = evolution(alpha=0.9).updated("w", self.weight, self.mask, self.gradient, 0)
        assert found.tolist() == [[True, True, False], [False, False, True]]

    def test_set_grows_at_random_by_seed_step_and_tensor(self) -> None:
        generator = np.random.default_rng(0)
        mask = torch.from_numpy(generator.random((40, 50)) < 0.1)
        weight = torch.from_numpy(generator.standard_normal((40, 50)).astype(np.float32)) * mask
        grow = evolution(method="set")
        one, again = (grow.updated("w", weight, mask, gradient, 100) for gradient in (weight, weight + 1))
        assert torch.equal(one, again)
        assert one.sum() == mask.sum()
        dropped = int(grow.share(100) * mask.sum())
        smallest = weight[mask].abs().sort().values[dropped]
        assert (one[mask & (weight.abs() >= smallest)]).all()
        assert (one & ~mask).sum() == pytest.approx(dropped, rel=0.2)
        others = [grow.updated("w", weight, mask, weight, 200), grow.updated("v", weight, mask, weight, 100)]
        assert all((one != other).any() for other in others)
