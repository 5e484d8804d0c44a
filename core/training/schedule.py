"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from core.jobs.recipes import Recipe, steps


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of the step that is about to be taken, one of the recipe's length.

    `steps`: lr · min(1, step / warmup) · gamma^(milestones reached). Warmup is linear from 0, as in the E-LTH
    reference; a milestone counts from its own step on. `cosine`: after the same warmup lr · (1 + cos πt) / 2, where t
    runs from 0 to 1 at the end of the recipe (Loshchilov and Hutter, 2017, "SGDR", without restarts).
    """
    warmup = steps(recipe.warmup, steps_per_epoch)
    if recipe.schedule == "cosine" and step >= warmup:
        end = steps(recipe.length, steps_per_epoch)
        return recipe.lr * (1 + math.cos(math.pi * (step - warmup) / (end - warmup))) / 2
    reached = sum(steps(milestone, steps_per_epoch) <= step for milestone in recipe.milestones)
    rate = recipe.lr * recipe.gamma**reached
    return rate * step / warmup if step < warmup else rate
