from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.recipes import PRESETS, recipe_for
from core.training.schedule import learning_rate


class TestLearningRate:
    @given(
        st.integers(0, 400),
        st.integers(1, 50),
        st.integers(0, 60),
        st.lists(st.integers(0, 400), max_size=4),
    )
    def test_equals_walking_through_the_schedule(
        self, step: int, per_epoch: int, warmup: int, milestones: list[int]
    ) -> None:
        recipe = recipe_for("mlp", {"warmup": f"{warmup}it", "milestones": [f"{at}it" for at in milestones]})
        rate = recipe.lr
        for now in range(step + 1):
            rate *= 0.1 ** milestones.count(now)
        if step < warmup:
            rate *= step / warmup
        assert learning_rate(recipe, step, per_epoch) == pytest.approx(rate, rel=1e-9, abs=1e-300)

    @given(st.integers(1, 60), st.integers(0, 59), st.integers(1, 50))
    def test_cosine_is_torchs_after_the_warmup(self, end: int, warmup: int, per_epoch: int) -> None:
        warmup = min(warmup, end - 1)
        recipe = recipe_for("mlp", {"length": f"{end}it", "warmup": f"{warmup}it", "schedule": "cosine"})
        rates = [learning_rate(recipe, step, per_epoch) for step in range(end)]
        assert rates[:warmup] == pytest.approx([recipe.lr * step / warmup for step in range(warmup)])
        optimizer = torch.optim.SGD([torch.zeros(1)], recipe.lr)
        annealing = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, end - warmup)
        for rate in rates[warmup:]:
            assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6, abs=1e-9)
            optimizer.step()
            annealing.step()

    def test_cosine_halves_halfway_and_counts_epochs(self) -> None:
        recipe = recipe_for("mlp", {"length": "6ep", "warmup": "2ep", "schedule": "cosine", "lr": 0.4})
        rates = [learning_rate(recipe, step, 10) for step in (19, 20, 40, 59)]
        assert rates == pytest.approx([0.38, 0.4, 0.2, 0.2 * (1 + math.cos(math.pi * 39 / 40))])

    def test_a_warmup_longer_than_the_recipe_never_falls(self) -> None:
        recipe = recipe_for("mlp", {"length": "4it", "warmup": "8it", "schedule": "cosine", "lr": 0.8})
        assert [learning_rate(recipe, step, 10) for step in range(4)] == pytest.approx([0, 0.1, 0.2, 0.3])

    def test_the_resnet_preset_drops_at_epochs_80_and_120(self) -> None:
        rates = [
            learning_rate(PRESETS["cifar_resnet"], epoch * 391 + 390, 391)
            for epoch in (0, 79, 80, 119, 120, 159)
        ]
        assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])

    def test_a_milestone_counts_from_its_own_step(self) -> None:
        recipe = recipe_for("mlp", {"milestones": ["2ep"], "gamma": 0.5})
        assert [learning_rate(recipe, step, 5) for step in (9, 10)] == [0.1, 0.05]

    def test_warmup_rises_from_zero(self) -> None:
        recipe = recipe_for("mlp", {"warmup": "1ep", "lr": 0.4})
        assert [learning_rate(recipe, step, 4) for step in range(6)] == pytest.approx(
            [0, 0.1, 0.2, 0.3, 0.4, 0.4]
        )
