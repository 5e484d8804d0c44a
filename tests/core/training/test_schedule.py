from __future__ import annotations

import pytest
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
