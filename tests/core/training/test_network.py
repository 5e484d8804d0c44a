"""The modes of the autograd engine; its exact arithmetic is what the tests of the loop are about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.datasets import Dataset
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe
from core.training.mode import EXACT, Mode


@pytest.mark.parametrize(
    "mode",
    [Mode(precision="bfloat16"), pytest.param(Mode(compiled=True), marks=pytest.mark.nightly)],
    ids=str,
)
class TestFastModes:
    def test_the_training_is_the_same_but_for_rounding(
        self,
        resnet: Architecture,
        photographs: Dataset,
        recipe: Recipe,
        start: Any,
        recorder: Any,
        train_alone: Any,
        mode: Mode,
    ) -> None:
        given = {"seed": 5, "weights": start.weights, "masks": start.masks}
        exact, fast = recorder(set()), recorder()
        train_alone(resnet, photographs, recipe, **given, observer=exact)
        trained = train_alone(resnet, photographs, recipe, **given, observer=fast, mode=mode)
        for one, other in zip(fast.records, exact.records, strict=True):
            assert one.train_loss == pytest.approx(other.train_loss, rel=0.1)
        assert trained.speed.mode == str(mode)
        for seen in fast.states:
            for name, mask in start.masks.items():
                assert seen.weights[name].dtype == np.float32
                assert (seen.weights[name][~mask] == 0).all()

    def test_a_state_saved_in_it_is_resumed_exactly_as_any_other(
        self,
        resnet: Architecture,
        photographs: Dataset,
        recipe: Recipe,
        start: Any,
        recorder: Any,
        train_alone: Any,
        mode: Mode,
    ) -> None:
        observer = recorder({7})
        given = {"seed": 5, "weights": start.weights, "masks": start.masks}
        train_alone(resnet, photographs, recipe, **given, observer=observer, mode=mode)
        (state,) = observer.states
        ends = [
            train_alone(
                resnet, photographs, recipe, **given, observer=recorder(set()), state=state, mode=EXACT
            )
            for _ in range(2)
        ]
        assert all(np.array_equal(ends[0].weights[name], array) for name, array in ends[1].weights.items())
        assert ends[0].weights["bn.num_batches_tracked"] == 20
