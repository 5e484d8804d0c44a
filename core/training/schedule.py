"""The learning rate as a pure function of the step."""

from __future__ import annotations

from core.jobs.recipes import Recipe, steps


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """lr · min(1, step / warmup) · gamma^(milestones reached), for the step that is about to be taken.

    Warmup is linear from 0, as in the E-LTH reference; a milestone counts from its own step on.
    """
    warmup = steps(recipe.warmup, steps_per_epoch)
    reached = sum(steps(milestone, steps_per_epoch) <= step for milestone in recipe.milestones)
    rate = recipe.lr * recipe.gamma**reached
    return rate * step / warmup if step < warmup else rate
