from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.datasets import Dataset
from core.datasets.augment import crop_and_flip, epoch_choices
from core.datasets.normalisation import Normalisation
from core.datasets.order import epoch_order
from core.families import architecture
from core.families.architecture import Architecture, Role
from core.families.initialisation import initialise
from core.jobs.recipes import Recipe, recipe_for
from core.models import build
from core.models.state import load_state, state
from core.training.loop import Diverged
from core.training.schedule import learning_rate


def plain(
    network: Architecture, dataset: Dataset, recipe: Recipe, start: Any, seed: int, first: int, end: int
) -> Any:
    """The reference: masks multiplied into the weights in the forward pass, steps written out, NCHW, no shortcuts."""
    model = build(network)
    load_state(model, start.weights)
    parameters = dict(model.named_parameters())
    masks = {name: torch.from_numpy(mask).float() for name, mask in start.masks.items()}
    first_moment = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    second_moment = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    normalise = Normalisation(dataset, torch.device("cpu"))
    n = len(dataset.train_labels)
    per_epoch = -(-n // recipe.batch)
    for step in range(first, end):
        epoch, position = divmod(step, per_epoch)
        rows = torch.from_numpy(epoch_order(seed, epoch, n))[position * recipe.batch :][: recipe.batch]
        images = dataset.train_images[rows]
        if recipe.augment:
            choices = torch.from_numpy(epoch_choices(seed, epoch, n))[position * recipe.batch :][
                : recipe.batch
            ]
            images = crop_and_flip(images, choices)
        masked = {name: parameter * masks.get(name, 1.0) for name, parameter in parameters.items()}
        logits = torch.func.functional_call(model, masked, normalise(images))
        gradients = torch.autograd.grad(
            smoothed_cross_entropy(logits, dataset.train_labels[rows], recipe.label_smoothing),
            list(parameters.values()),
        )
        rate = learning_rate(recipe, step, per_epoch)
        with torch.no_grad():
            for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
                if recipe.decay == "all" or network.specs[name].role is Role.WEIGHT:
                    gradient = gradient + recipe.weight_decay * parameter
                if recipe.optimizer == "adam":
                    count = step - first + 1
                    mean = first_moment[name].mul_(0.9).add_(0.1 * gradient) / (1 - 0.9**count)
                    square = second_moment[name].mul_(0.999).add_(0.001 * gradient**2) / (1 - 0.999**count)
                    parameter -= rate * mean / (square.sqrt() + 1e-8)
                else:
                    velocity = first_moment[name].mul_(recipe.momentum).add_(gradient)
                    ahead = gradient + recipe.momentum * velocity if recipe.nesterov else velocity
                    parameter -= rate * ahead
    return {name: array * start.masks.get(name, True) for name, array in state(model).items()}


def smoothed_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Against (1 - ε) of the label and ε / K of every class (Szegedy et al., 2016, section 7)."""
    target = F.one_hot(labels, logits.shape[1]) * (1 - smoothing) + smoothing / logits.shape[1]
    return -(target * logits.log_softmax(1)).sum(1).mean()


class TestArithmetic:
    @pytest.mark.parametrize("first", [0, 4])
    def test_survivors_move_as_under_a_plain_masked_loop(
        self,
        run: Any,
        recorder: Any,
        resnet: Architecture,
        photographs: Dataset,
        variant: Recipe,
        start: Any,
        first: int,
    ) -> None:
        expected = plain(resnet, photographs, variant, start, seed=5, first=first, end=20)
        found = run(recorder(set()), recipe=variant, start_step=first).weights
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-3, atol=2e-5, err_msg=name)
        assert any(np.abs(found[name] - start.weights[name]).max() > 0.01 for name in start.masks)

    def test_batch_norm_counts_every_step(self, run: Any, recorder: Any) -> None:
        assert run(recorder(set()), start_step=4).weights["bn.num_batches_tracked"] == 16


class TestMasks:
    def test_no_pruned_weight_is_ever_non_zero_or_remembered(
        self, run: Any, recorder: Any, variant: Recipe, start: Any
    ) -> None:
        observer = recorder()
        trained = run(observer, recipe=variant)
        assert len(observer.states) == 20
        for seen in observer.states:
            for name, mask in start.masks.items():
                assert (seen.weights[name][~mask] == 0).all()
                # After a first step the slots follow the gradient; a non-zero one at any step would stay in them.
                for slot in seen.slots.keys() - {"step"}:
                    assert (seen.slots[slot][name][~mask] == 0).all()
        assert all((trained.weights[name][mask] != 0).all() for name, mask in start.masks.items())

    def test_nor_when_the_gradients_are_no_longer_finite(
        self, run: Any, recorder: Any, variant: Recipe, start: Any
    ) -> None:
        observer = recorder()
        broken = {**start.weights, "fc.bias": np.full_like(start.weights["fc.bias"], np.nan)}
        with pytest.raises(Diverged):
            run(observer, recipe=variant, weights=broken)
        assert len(observer.states) == 5
        for seen in observer.states:
            for name, mask in start.masks.items():
                assert (seen.weights[name][~mask] == 0).all()
                assert np.isnan(seen.weights[name][mask]).all()
                for slot in seen.slots.keys() - {"step"}:
                    assert (seen.slots[slot][name][~mask] == 0).all()

    def test_what_pruned_weights_held_does_not_matter(
        self, run: Any, recorder: Any, start: Any, digest: Any
    ) -> None:
        one = run(recorder(set()))
        start.weights = {name: np.where(start.masks.get(name, True), array, 9.0).astype(array.dtype)
                         for name, array in start.weights.items()}  # fmt: skip
        assert digest(one.weights) == digest(run(recorder(set()), weights=start.weights).weights)

    def test_no_masks_train_densely(self, run: Any, recorder: Any) -> None:
        trained = run(recorder(set()), masks={})
        assert all((trained.weights[name] != 0).all() for name in ("conv.weight", "fc.weight"))


class TestHistory:
    def test_every_epoch_and_the_last_step_are_evaluated(self, run: Any, recorder: Any) -> None:
        observer = recorder(set())
        trained = run(observer, start_step=4)
        assert [(record.epoch, record.step) for record in trained.history] == [
            (1, 6),
            (2, 12),
            (3, 18),
            (4, 20),
        ]
        assert [record.learning_rate for record in trained.history] == pytest.approx([0.05, 0.05, 5e-4, 5e-4])
        assert tuple(observer.records) == trained.history
        assert observer.steps == [(step, 20) for step in range(5, 21)]

    def test_the_headline_is_the_last_step_and_the_best_is_the_earliest_best(
        self, run: Any, recorder: Any
    ) -> None:
        trained = run(recorder(set()))
        correct = [record.correct for record in trained.history]
        assert trained.last == trained.history[-1]
        assert trained.best == trained.history[correct.index(max(correct))]

    def test_of_equally_good_epochs_the_first_is_best(
        self, digits: Dataset, recorder: Any, train_alone: Any
    ) -> None:
        network = architecture("mlp_1", digits.facts.input, 10)
        still = recipe_for("mlp", {"lr": 1e-30, "length": "3ep"})
        trained = train_alone(
            network, digits, still, seed=0, weights=initialise(network, 0), masks={}, observer=recorder(set())
        )
        assert len({record.correct for record in trained.history}) == 1
        assert trained.best.epoch == 1

    @pytest.mark.parametrize("smoothing", [0.0, 0.3])
    def test_the_training_loss_is_the_mean_over_images(
        self,
        run: Any,
        recorder: Any,
        resnet: Architecture,
        photographs: Dataset,
        recipe: Recipe,
        start: Any,
        smoothing: float,
    ) -> None:
        still = recipe.model_copy(
            update={
                "lr": 1e-30,
                "warmup": "0it",
                "augment": False,
                "length": "1ep",
                "label_smoothing": smoothing,
            }
        )
        found = run(recorder(set()), recipe=still).history[0].train_loss
        model = build(resnet)
        load_state(
            model,
            {
                name: array * start.masks.get(name, array.dtype.type(1))
                for name, array in start.weights.items()
            },
        )
        normalise, total = Normalisation(photographs, torch.device("cpu")), 0.0
        for rows in torch.from_numpy(epoch_order(5, 0, 44)).split(8):
            logits = model(normalise(photographs.train_images[rows]))
            labels = photographs.train_labels[rows]
            total += smoothed_cross_entropy(logits, labels, smoothing).item() * len(rows)
        assert found == pytest.approx(total / 44, rel=1e-5)

    def test_the_test_loss_knows_no_smoothing(self, run: Any, recorder: Any, recipe: Recipe) -> None:
        still = recipe.model_copy(update={"lr": 1e-30, "length": "1ep"})
        smoothed = still.model_copy(update={"label_smoothing": 0.3})
        one, other = (run(recorder(set()), recipe=given).last for given in (still, smoothed))
        assert one.test_loss == other.test_loss
        assert one.train_loss != other.train_loss


class TestSeeds:
    def test_another_seed_sees_the_data_in_another_order(self, run: Any, recorder: Any, digest: Any) -> None:
        assert digest(run(recorder(set()), seed=8).weights) != digest(run(recorder(set())).weights)

    def test_augmentation_only_where_classes_survive_it(
        self,
        run: Any,
        recorder: Any,
        recipe: Recipe,
        photographs: Dataset,
        resnet: Architecture,
        start: Any,
        digest: Any,
        train_alone: Any,
    ) -> None:
        off = recipe.model_copy(update={"augment": False})
        upright = dataclasses.replace(
            photographs, facts=dataclasses.replace(photographs.facts, augmented=False)
        )
        unaugmented = run(recorder(set()), recipe=off)
        on_upright = train_alone(
            resnet,
            upright,
            recipe,
            seed=5,
            weights=start.weights,
            masks=start.masks,
            observer=recorder(set()),
        )
        assert digest(on_upright.weights) == digest(unaugmented.weights)
        assert digest(run(recorder(set())).weights) != digest(unaugmented.weights)


class TestDiverged:
    def test_a_loss_that_is_not_finite_ends_the_training(self, run: Any, recorder: Any, start: Any) -> None:
        observer = recorder(set())
        broken = {**start.weights, "fc.bias": np.full_like(start.weights["fc.bias"], np.nan)}
        with pytest.raises(Diverged, match="nan after step 6"):
            run(observer, weights=broken)
        assert observer.records == []

    def test_nor_may_the_test_loss_stop_being_finite_in_the_last_step(
        self, run: Any, recorder: Any, recipe: Recipe
    ) -> None:
        # One step of this size leaves weights that no later training step gets to see.
        exploding = recipe.model_copy(update={"lr": 1e38, "warmup": "0it", "length": "1it"})
        with pytest.raises(Diverged, match="the test loss is nan after step 1"):
            run(recorder(set()), recipe=exploding)


class TestLearning:
    def test_an_mlp_learns_digits(self, digits: Dataset, recorder: Any, train_alone: Any) -> None:
        network = architecture("mlp_2", digits.facts.input, 10)
        recipe = recipe_for("mlp", {"length": "15ep"})
        trained = train_alone(
            network,
            digits,
            recipe,
            seed=0,
            weights=initialise(network, 0),
            masks={},
            observer=recorder(set()),
        )
        assert trained.steps == 180
        assert trained.last.accuracy >= 0.9

    @pytest.mark.parametrize(
        "change", [{}, {"optimizer": "adam", "momentum": 0.0, "lr": 0.01, "schedule": "cosine"}]
    )
    def test_a_resnet_learns_colours(
        self, run: Any, recorder: Any, recipe: Recipe, change: dict[str, Any]
    ) -> None:
        longer = recipe.model_copy(update={"length": "20ep", "milestones": (), **change})
        assert run(recorder(set()), recipe=longer).last.accuracy >= 0.9
