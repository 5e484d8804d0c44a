from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.datasets import load
from core.experiments.identity import training_key
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs import identity
from core.jobs.recipes import recipe_for
from core.pruning.evolution import Evolution
from core.training.fingerprint import fingerprint
from core.training.mode import EXACT

NETWORK = architecture("mlp_1", (1, 8, 8), 10)
FIRST, LAST = "fc_layers.0.weight", "fc.weight"


def mask_of(*pruned: int) -> dict[str, Any]:
    """Masks under which these weights of the first layer are pruned, and no others."""
    masks = {tensor.name: np.ones(tensor.shape, bool) for tensor in NETWORK.prunable}
    masks[FIRST].flat[list(pruned)] = False
    return masks


def key(**change: Any) -> str:
    given = dict(
        architecture=NETWORK,
        dataset=load("digits", Path("none")),
        recipe=recipe_for("mlp", {}),
        seed=0,
        weights=initialise(NETWORK, 0),
        masks=mask_of(0),
        start_step=0,
        end_step=12,
        shares=1,
        evolution=None,
        fingerprint=None,
    )
    return training_key(**(given | change))  # type: ignore[arg-type]


def changed(index: int, value: float) -> dict[str, Any]:
    """The initial weights with one of the first layer's replaced."""
    weights = dict(initialise(NETWORK, 0))
    weights[FIRST] = weights[FIRST].copy()
    weights[FIRST].flat[index] = value
    return weights


class TestWhatCounts:
    @pytest.mark.parametrize(
        "change",
        [
            {"architecture": replace(NETWORK, name="another")},
            {"architecture": replace(NETWORK, definition="{}")},
            {"evolution": Evolution("rigl", 0.3, 4, 0, 9, 0)},
            {"recipe": recipe_for("mlp", {"lr": 0.05})},
            {"recipe": recipe_for("mlp", {"length": "41ep"})},
            {"recipe": recipe_for("mlp", {"augment": True})},
            {"seed": 1},
            {"weights": initialise(NETWORK, 1)},
            {"weights": changed(1, 0.5)},
            {"masks": mask_of(1)},
            {"masks": mask_of(0, 1)},
            {"masks": mask_of()},
            {"start_step": 1},
            {"end_step": 11},
            {"shares": 2},
            {"fingerprint": fingerprint(torch.device("cpu"), EXACT)},
        ],
        ids="".join,
    )
    def test_everything_that_changes_the_weights(self, change: dict[str, Any]) -> None:
        assert key(**change) != key()

    def test_the_dataset_by_its_name(self) -> None:
        digits = load("digits", Path("none"))
        other = replace(digits, facts=replace(digits.facts, name="other"))
        assert key(dataset=other) != key()

    def test_the_circumstances_of_an_exact_training(self) -> None:
        here = fingerprint(torch.device("cpu"), EXACT)
        there = replace(here, torch="1.0")
        assert key(fingerprint=there) != key(fingerprint=here)

    def test_the_version_of_the_arithmetic(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = key()
        monkeypatch.setattr("core.experiments.identity.NUMERICS", identity.NUMERICS + 1)
        assert key() != before


class TestWhatDoesNot:
    @pytest.mark.parametrize(
        "change",
        [
            {"recipe": recipe_for("mlp", {"rewind": "3it"})},
            {"recipe": recipe_for("mlp", {"dense": []})},
            {"weights": changed(0, 0.5)},
            {"weights": changed(0, -0.0)},
            {"weights": changed(0, float("nan"))},
            {"masks": {FIRST: mask_of(0)[FIRST]}},
            {"masks": dict(reversed(mask_of(0).items()))},
        ],
        ids="".join,
    )
    def test_what_the_weights_do_not_follow_from(self, change: dict[str, Any]) -> None:
        assert key(**change) == key()
