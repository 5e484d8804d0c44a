from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.families import architecture
from core.families.architecture import Architecture, Role
from core.families.initialisation import initialise
from core.jobs.recipes import Recipe, recipe_for
from core.models import build
from core.models.state import load_state
from core.training.masking import Masking
from core.training.optimizers import optimizer_of, restore, set_rate, slots_of

NETWORKS = [
    architecture("mlp_1_3_2", (1, 2, 2), 3),
    architecture("mlp_2_2_4", (1, 2, 2), 2),
    architecture("cifar_resnet_8_1", (3, 8, 8), 2),
]
MEMORIES = {"sgd": ["momentum_buffer"], "adam": ["exp_avg", "exp_avg_sq"]}

Arrays = dict[str, np.ndarray]

decays = st.fixed_dictionaries(
    {"weight_decay": st.sampled_from([0.0, 1e-3, 0.3]), "decay": st.sampled_from(["all", "weights"])}
)
sgd = st.one_of(
    st.fixed_dictionaries({"momentum": st.just(0.0)}),
    st.fixed_dictionaries({"momentum": st.sampled_from([0.5, 0.9]), "nesterov": st.booleans()}),
)
adam = st.just({"optimizer": "adam", "momentum": 0.0})
recipes = st.builds(lambda one, other: recipe_for("mlp", {**one, **other}), sgd | adam, decays)


class Training:
    """A network under a mask, and gradients out of a hat."""

    def __init__(self, network: Architecture, recipe: Recipe, seed: int) -> None:
        self.network = network
        self.random = np.random.default_rng(seed)
        self.model = build(network)
        load_state(self.model, initialise(network, seed))
        if network.family != "mlp":
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        density = self.random.choice([0.0, 0.3, 0.9])
        self.masks = {spec.name: self.random.random(spec.shape) < density for spec in network.prunable}
        self.masking = Masking(self.model, self.masks)
        self.masking.prune_weights()
        self.optimizer = optimizer_of(recipe, network, self.model)

    def weights(self) -> Arrays:
        return {name: p.detach().numpy().copy() for name, p in self.model.named_parameters()}

    def draw(self) -> Arrays:
        return {
            name: self.random.standard_normal(parameter.shape).astype(np.float32)
            for name, parameter in self.model.named_parameters()
        }

    def step(self, gradients: Mapping[str, np.ndarray], rate: float) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.grad = torch.empty_like(parameter).detach().copy_(torch.tensor(gradients[name]))
        self.masking.prune_gradients()
        set_rate(self.optimizer, rate)
        self.optimizer.step()

    def pruned(self, name: str) -> np.ndarray:
        return ~self.masks[name] if name in self.masks else np.zeros(self.network.specs[name].shape, bool)


class Oracle:
    """One weight after another, in Python's own floats: Polyak, Nesterov as Sutskever et al. (2013) write it, Adam."""

    def __init__(self, recipe: Recipe, training: Training) -> None:
        self.recipe = recipe
        self.weights = {name: array.astype(float) for name, array in training.weights().items()}
        self.pruned = {name: training.pruned(name) for name in self.weights}
        self.roles = {name: training.network.specs[name].role for name in self.weights}
        self.memory = {
            slot: {name: np.zeros(array.shape) for name, array in self.weights.items()}
            for slot in MEMORIES[recipe.optimizer]
        }
        self.steps = 0

    def step(self, gradients: Mapping[str, np.ndarray], rate: float) -> None:
        self.steps += 1
        for name, weight in self.weights.items():
            for at in np.ndindex(weight.shape):
                if not self.pruned[name][at]:
                    gradient = float(gradients[name][at])
                    if self.recipe.decay == "all" or self.roles[name] is Role.WEIGHT:
                        gradient += self.recipe.weight_decay * weight[at]
                    weight[at] -= rate * self.direction(name, at, gradient)

    def direction(self, name: str, at: tuple[int, ...], gradient: float) -> float:
        if self.recipe.optimizer == "adam":
            first, second = self.memory["exp_avg"][name], self.memory["exp_avg_sq"][name]
            first[at] = 0.9 * first[at] + 0.1 * gradient
            second[at] = 0.999 * second[at] + 0.001 * gradient**2
            mean, square = first[at] / (1 - 0.9**self.steps), second[at] / (1 - 0.999**self.steps)
            return mean / (math.sqrt(square) + 1e-8)
        velocity = self.memory["momentum_buffer"][name]
        velocity[at] = self.recipe.momentum * velocity[at] + gradient
        return gradient + self.recipe.momentum * velocity[at] if self.recipe.nesterov else float(velocity[at])


class TestSteps:
    @settings(deadline=None, max_examples=60)
    @given(
        st.sampled_from(NETWORKS),
        recipes,
        st.integers(0, 1000),
        st.lists(st.sampled_from([0.0, 0.01, 0.1]), min_size=1, max_size=5),
    )
    def test_survivors_move_one_by_one_and_pruned_weights_hold_nothing(
        self, network: Architecture, recipe: Recipe, seed: int, rates: list[float]
    ) -> None:
        training = Training(network, recipe, seed)
        oracle = Oracle(recipe, training)
        for rate in rates:
            gradients = training.draw()
            training.step(gradients, rate)
            oracle.step(gradients, rate)
            slots = slots_of(training.optimizer, training.model)
            remembered = MEMORIES[recipe.optimizer] if recipe.momentum or recipe.optimizer == "adam" else []
            assert sorted(set(slots) - {"step"}) == remembered
            for name, weights in training.weights().items():
                np.testing.assert_allclose(weights, oracle.weights[name], rtol=1e-4, atol=1e-6, err_msg=name)
                assert (weights[training.pruned(name)] == 0).all()
                for slot in remembered:
                    np.testing.assert_allclose(
                        slots[slot][name], oracle.memory[slot][name], rtol=1e-4, atol=1e-6, err_msg=name
                    )
                    assert (slots[slot][name][training.pruned(name)] == 0).all()

    @settings(deadline=None, max_examples=40)
    @given(
        st.sampled_from(NETWORKS),
        recipes,
        st.integers(0, 1000),
        st.sampled_from([np.nan, np.inf, -np.inf, 1e38, -0.0]),
    )
    def test_what_the_gradient_of_a_pruned_weight_is_does_not_matter(
        self, network: Architecture, recipe: Recipe, seed: int, odd: float
    ) -> None:
        one, other = Training(network, recipe, seed), Training(network, recipe, seed)
        for _ in range(3):
            gradients = one.draw()
            one.step(gradients, 0.1)
            other.step(
                {
                    name: np.where(one.pruned(name), np.float32(odd), array)
                    for name, array in gradients.items()
                },
                0.1,
            )
            assert_same(one.weights(), other.weights())
            ours, theirs = (slots_of(at.optimizer, at.model) for at in (one, other))
            assert list(ours) == list(theirs)
            for slot in ours:
                assert_same(ours[slot], theirs[slot])

    @settings(deadline=None, max_examples=40)
    @given(st.sampled_from(NETWORKS), recipes, st.integers(0, 1000), st.sampled_from([np.nan, np.inf]))
    def test_survivors_that_explode_take_no_pruned_weight_along(
        self, network: Architecture, recipe: Recipe, seed: int, odd: float
    ) -> None:
        training = Training(network, recipe, seed)
        for _ in range(3):
            training.step({name: np.full_like(array, odd) for name, array in training.draw().items()}, 0.1)
        slots = slots_of(training.optimizer, training.model)
        for name, weights in training.weights().items():
            pruned = training.pruned(name)
            assert not np.isfinite(weights[~pruned]).any()
            for array in (weights, *(slots[slot][name] for slot in slots if slot != "step")):
                assert (array[pruned] == 0).all()


class TestDecay:
    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    @pytest.mark.parametrize("decay", ["all", "weights"])
    def test_without_a_gradient_only_what_decays_moves(self, optimizer: str, decay: str) -> None:
        recipe = recipe_for("mlp", {"optimizer": optimizer, "decay": decay, "weight_decay": 0.1})
        training = Training(NETWORKS[2], recipe, 0)
        with torch.no_grad():
            for parameter in training.model.parameters():
                parameter.fill_(1.0)
        training.masking.prune_weights()
        before = training.weights()
        training.step({name: np.zeros_like(array) for name, array in before.items()}, 0.1)
        for name, weights in training.weights().items():
            role = training.network.specs[name].role
            moves = role is Role.WEIGHT or (decay == "all" and role in {Role.BIAS, Role.SCALE, Role.SHIFT})
            assert ((weights != before[name]) == (moves & ~training.pruned(name))).all(), name

    def test_a_network_of_weights_alone_has_nothing_to_spare(self) -> None:
        training = Training(
            architecture("lenet5", (1, 28, 28), 10), recipe_for("lenet5", {"decay": "weights"}), 0
        )
        training.step(training.draw(), 0.1)


class TestMemory:
    @settings(deadline=None, max_examples=40)
    @given(
        st.sampled_from(NETWORKS), recipes, st.integers(0, 1000), st.integers(0, 4).flatmap(
            lambda stop: st.tuples(st.just(stop), st.integers(stop + 1, 6))
        )
    )  # fmt: skip
    def test_restored_it_goes_on_with_the_same_bits(
        self, network: Architecture, recipe: Recipe, seed: int, when: tuple[int, int]
    ) -> None:
        undisturbed, stopped = Training(network, recipe, seed), Training(network, recipe, seed)
        stop, end = when
        gradients = [undisturbed.draw() for _ in range(end)]
        for drawn in gradients:
            undisturbed.step(drawn, 0.1)
        for drawn in gradients[:stop]:
            stopped.step(drawn, 0.1)
        slots = slots_of(stopped.optimizer, stopped.model)
        stopped.optimizer = optimizer_of(recipe, network, stopped.model)
        restore(stopped.optimizer, stopped.model, slots)
        for drawn in gradients[stop:]:
            stopped.step(drawn, 0.1)
        assert_same(stopped.weights(), undisturbed.weights())

    def test_a_copy_does_not_change_with_the_training(self) -> None:
        training = Training(NETWORKS[0], recipe_for("mlp", {"optimizer": "adam"}), 0)
        training.step(training.draw(), 0.1)
        slots = slots_of(training.optimizer, training.model)
        before = {slot: {name: array.copy() for name, array in slots[slot].items()} for slot in slots}
        training.step(training.draw(), 0.1)
        for slot in slots:
            assert_same(before[slot], slots[slot])

    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    def test_a_fresh_one_remembers_nothing(self, optimizer: str) -> None:
        model: nn.Module = build(NETWORKS[0])
        recipe = recipe_for("mlp", {"optimizer": optimizer})
        assert slots_of(optimizer_of(recipe, NETWORKS[0], model), model) == {}

    def test_memory_lies_as_the_parameters_do(self) -> None:
        recipe = recipe_for("mlp", {"momentum": 0.9})
        training = Training(NETWORKS[2], recipe, 0)
        training.step(training.draw(), 0.1)
        fresh = optimizer_of(recipe, training.network, training.model)
        restore(fresh, training.model, slots_of(training.optimizer, training.model))
        for parameter in training.model.parameters():
            assert fresh.state[parameter]["momentum_buffer"].stride() == parameter.stride()


def assert_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert list(one) == list(other)
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes(), name
