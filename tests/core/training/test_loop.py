from __future__ import annotations

import dataclasses
import random
from pathlib import Path
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
from core.training.checkpoint import read_state, write_state
from core.training.loop import Diverged, Trained
from core.training.schedule import learning_rate


@pytest.fixture
def run(resnet: Architecture, photographs: Dataset, recipe: Recipe, start: Any, train_alone: Any) -> Any:
    """Trains with everything given, unless overridden."""

    def run(observer: Any, **changes: Any) -> Trained:
        arguments = {
            "seed": 5,
            "weights": start.weights,
            "masks": start.masks,
            "observer": observer,
            **changes,
        }
        return train_alone(resnet, photographs, arguments.pop("recipe", recipe), **arguments)

    return run


VARIANTS = {
    "momentum": {},
    "nesterov, weights decay": {"nesterov": True, "decay": "weights", "weight_decay": 0.1},
    "plain, smoothed": {"momentum": 0.0, "label_smoothing": 0.2},
    "cosine": {"schedule": "cosine", "milestones": ()},
    "adam": {"optimizer": "adam", "momentum": 0.0, "lr": 0.002},
    "adam, weights decay": {"optimizer": "adam", "momentum": 0.0, "lr": 0.002, "decay": "weights"},
}


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest, recipe: Recipe) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | VARIANTS[request.param])


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


class TestResume:
    def test_from_any_step_it_ends_in_the_same_bits(
        self, run: Any, recorder: Any, variant: Recipe, digest: Any, checkpoint_path: Path
    ) -> None:
        observer = recorder()
        undisturbed = run(observer, recipe=variant)
        for saved in random.Random(variant.lr).sample(observer.states, 7) + observer.states[-1:]:
            with checkpoint_path.open("wb") as stream:
                write_state(saved, stream)
            again = recorder()
            resumed = run(again, recipe=variant, weights={}, masks={}, state=read_state(checkpoint_path))
            assert digest(resumed.weights) == digest(undisturbed.weights)
            assert resumed.history == undisturbed.history
            assert [step for step, _ in again.steps] == list(range(saved.step + 1, 21))
            if again.states:
                final, expected = again.states[-1], observer.states[-1]
                assert list(final.slots) == list(expected.slots)
                assert all(digest(final.slots[slot]) == digest(expected.slots[slot]) for slot in final.slots)

    def test_resumed_again_and_again(self, run: Any, recorder: Any, variant: Recipe, digest: Any) -> None:
        undisturbed = run(recorder(set()), recipe=variant)

        class Killed(Exception):
            pass

        class Mortal(recorder):  # type: ignore[misc]
            def checkpoint(self, state: Any) -> None:
                super().checkpoint(state)
                raise Killed

        saved = None
        for step in sorted(random.Random(0).sample(range(1, 20), 5)):
            observer = Mortal({step})
            with pytest.raises(Killed):
                run(observer, recipe=variant, state=saved)
            saved = observer.states[0]
        resumed = run(recorder(set()), recipe=variant, state=saved)
        assert digest(resumed.weights) == digest(undisturbed.weights)
        assert resumed.history == undisturbed.history

    def test_an_mlp_without_momentum(
        self, digits: Dataset, recorder: Any, digest: Any, checkpoint_path: Path, train_alone: Any
    ) -> None:
        network = architecture("mlp_2", digits.facts.input, 10)
        weights = initialise(network, 0)
        observer = recorder({7, 12, 13, 30})
        recipe = recipe_for("mlp", {"length": "3ep"})
        undisturbed = train_alone(
            network, digits, recipe, seed=0, weights=weights, masks={}, observer=observer
        )
        for saved in observer.states:
            with checkpoint_path.open("wb") as stream:
                write_state(saved, stream)
            resumed = train_alone(
                network,
                digits,
                recipe,
                seed=0,
                weights={},
                masks={},
                observer=recorder(set()),
                state=read_state(checkpoint_path),
            )
            assert digest(resumed.weights) == digest(undisturbed.weights)
            assert resumed.history == undisturbed.history

    def test_observing_changes_nothing(self, run: Any, recorder: Any, digest: Any) -> None:
        one, other = run(recorder()), run(recorder(set()))
        assert digest(one.weights) == digest(other.weights)
        assert one.history == other.history


class TestRewinding:
    def test_cut_at_step_k_it_ends_in_the_weights_at_step_k(
        self, run: Any, recorder: Any, variant: Recipe, digest: Any
    ) -> None:
        observer, cut = recorder({4}), recorder(set())
        run(observer, recipe=variant)
        to_k = run(cut, recipe=variant, end_step=4)
        assert digest(to_k.weights) == digest(observer.states[0].weights)
        assert to_k.weights["bn.num_batches_tracked"] == 4
        assert (to_k.steps, to_k.last.step, cut.steps[-1]) == (4, 4, (4, 4))

    def test_a_recipe_of_k_steps_is_the_same_where_its_schedule_does_not_look_ahead(
        self, run: Any, recorder: Any, recipe: Recipe, digest: Any
    ) -> None:
        to_k = run(recorder(set()), recipe=recipe.model_copy(update={"length": "4it"}))
        assert digest(to_k.weights) == digest(run(recorder(set()), end_step=4).weights)

    def test_without_momentum_a_rewound_training_continues_as_if_never_left(
        self, run: Any, recorder: Any, recipe: Recipe, digest: Any
    ) -> None:
        memoryless = recipe.model_copy(update={"momentum": 0.0})
        observer = recorder({4})
        whole = run(observer, recipe=memoryless)
        rewound = run(recorder(set()), recipe=memoryless, weights=observer.states[0].weights, start_step=4)
        assert digest(rewound.weights) == digest(whole.weights)
        assert rewound.history[1:] == whole.history[1:]

    def test_it_starts_with_a_fresh_optimiser(self, run: Any, recorder: Any) -> None:
        observer = recorder({4})
        whole = run(observer)
        rewound = run(recorder(set()), weights=observer.states[0].weights, start_step=4)
        assert any((rewound.weights[name] != whole.weights[name]).any() for name in whole.weights)

    def test_a_start_past_the_end_is_refused(self, run: Any, recorder: Any) -> None:
        with pytest.raises(ValueError, match="of 20 steps cannot start at step 20"):
            run(recorder(set()), start_step=20)
        with pytest.raises(ValueError, match="of 4 steps cannot start at step 4"):
            run(recorder(set()), start_step=4, end_step=4)


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
