from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families.architecture import Architecture
from core.tickets import Failure, InvalidTicket, Mask, Ticket

seeds = st.integers(0, 2**32 - 1)
State = dict[str, np.ndarray]


@pytest.fixture
def masks(architecture: Architecture) -> State:
    rng = np.random.default_rng(7)
    return {spec.name: rng.random(spec.shape) < 0.4 for spec in architecture.prunable}


class TestFromDense:
    @given(seeds)
    @settings(max_examples=50)
    def test_weights_are_the_survivors_and_zeros_elsewhere(
        self, architecture: Architecture, state: Callable[[int], State], seed: int
    ) -> None:
        weights, rng = state(seed), np.random.default_rng(seed)
        masks = {spec.name: rng.random(spec.shape) < 0.5 for spec in architecture.prunable}
        ticket = Ticket.from_dense(architecture, 3, masks, weights)
        result = ticket.weights()
        assert list(result) == [spec.name for spec in architecture.tensors]
        for name, array in result.items():
            expected = weights[name] * masks[name] if name in masks else weights[name]
            assert array.dtype == weights[name].dtype
            assert array.shape == weights[name].shape
            assert np.array_equal(array, expected)
        for name, mask in ticket.bool_masks().items():
            assert np.array_equal(mask, masks[name])
            assert np.array_equal(ticket.kept[name], weights[name].flatten()[mask.flatten()])

    def test_later_changes_of_the_source_do_not_reach_the_ticket(
        self, architecture: Architecture, masks: State, state: Callable[[int], State]
    ) -> None:
        weights = state(0)
        ticket = Ticket.from_dense(architecture, 0, masks, weights)
        before = ticket.weights()
        for array in (*weights.values(), *masks.values()):
            array[...] = 0
        assert all(np.array_equal(array, before[name]) for name, array in ticket.weights().items())

    def test_what_weights_returns_may_be_changed(self, ticket: Ticket) -> None:
        for array in ticket.weights().values():
            array[...] = 9
        assert not any((array == 9).all() for array in ticket.weights().values())

    @pytest.mark.parametrize(
        ("change", "failure", "where"),
        [
            (lambda m, w: m.pop("fc.weight"), Failure.TENSOR_MISSING, "fc.weight"),
            (lambda m, w: w.pop("fc.weight"), Failure.TENSOR_MISSING, "fc.weight"),
            (lambda m, w: w.pop("bn.bias"), Failure.TENSOR_MISSING, "bn.bias"),
            (lambda m, w: w.update(extra=np.zeros(1)), Failure.TENSOR_UNEXPECTED, "'extra'"),
            (lambda m, w: m.update({"fc.bias": np.ones(7, bool)}), Failure.TENSOR_UNEXPECTED, "'fc.bias'"),
            (lambda m, w: m.update({"fc.weight": np.ones((3, 7), bool)}), Failure.TENSOR_SHAPE, "fc.weight"),
            (lambda m, w: m.update({"fc.weight": np.ones((7, 3))}), Failure.TENSOR_DTYPE, "fc.weight"),
            (lambda m, w: w.update({"fc.bias": np.zeros(7)}), Failure.TENSOR_DTYPE, "fc.bias"),
            (lambda m, w: w.update({"fc.bias": np.zeros(7, ">f4")}), Failure.TENSOR_DTYPE, "fc.bias"),
            (lambda m, w: w.update({"fc.bias": np.zeros((7, 1), "f4")}), Failure.TENSOR_SHAPE, "fc.bias"),
            (lambda m, w: w["fc.bias"].__setitem__(2, np.inf), Failure.NOT_FINITE, "fc.bias[2]"),
            (
                lambda m, w: w["bn.running_var"].__setitem__(1, -1),
                Failure.NEGATIVE_VARIANCE,
                "bn.running_var[1]",
            ),
        ],
    )
    def test_refuses_what_the_architecture_does_not_have(
        self,
        architecture: Architecture,
        masks: State,
        state: Callable[[int], State],
        change: Callable[[State, State], object],
        failure: Failure,
        where: str,
    ) -> None:
        weights = state(0)
        change(masks, weights)
        with pytest.raises(InvalidTicket) as caught:
            Ticket.from_dense(architecture, 0, masks, weights)
        assert (caught.value.failure, caught.value.where) == (failure, where)
        assert caught.value.where in str(caught.value)
        assert caught.value.accepted in str(caught.value)

    def test_pruned_weights_may_be_anything(
        self, architecture: Architecture, masks: State, state: Callable[[int], State]
    ) -> None:
        weights = state(0)
        weights["fc.weight"][~masks["fc.weight"]] = np.nan
        ticket = Ticket.from_dense(architecture, 0, masks, weights)
        assert np.isfinite(ticket.weights()["fc.weight"]).all()

    @pytest.mark.parametrize("step", [-1, 2**53, True, 1.0, "1"])
    def test_refuses_a_rewind_step_that_is_no_step(
        self, architecture: Architecture, masks: State, state: Callable[[int], State], step: int
    ) -> None:
        with pytest.raises(InvalidTicket, match="rewind_step"):
            Ticket.from_dense(architecture, step, masks, state(0))


class TestConstruction:
    def test_refuses_a_mask_of_another_shape_with_the_same_bits(self, ticket: Ticket) -> None:
        masks = {**ticket.masks, "fc.weight": Mask((3, 7), ticket.masks["fc.weight"].bits)}
        with pytest.raises(InvalidTicket) as caught:
            dataclasses.replace(ticket, masks=masks)
        assert (caught.value.failure, caught.value.where) == (Failure.TENSOR_SHAPE, "fc.weight.bits")

    def test_refuses_kept_values_that_are_not_the_survivors(self, ticket: Ticket) -> None:
        kept = {**ticket.kept, "fc.weight": ticket.kept["fc.weight"][:-1]}
        with pytest.raises(InvalidTicket) as caught:
            dataclasses.replace(ticket, kept=kept)
        assert caught.value.failure is Failure.MASK_SURVIVORS

    def test_immutable(self, ticket: Ticket) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            ticket.rewind_step = 1  # type: ignore[misc]
        for arrays in (ticket.kept, ticket.dense):
            for name, array in arrays.items():
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
                with pytest.raises(TypeError):
                    arrays[name] = array  # type: ignore[index]
        with pytest.raises(TypeError):
            del ticket.masks["fc.weight"]  # type: ignore[attr-defined]


class TestFigures:
    @given(seeds)
    @settings(max_examples=50)
    def test_exact_counts(self, random_ticket: Callable[[int], Ticket], seed: int) -> None:
        ticket = random_ticket(seed)
        survivors = sum(sum(mask.flatten().tolist()) for mask in ticket.bool_masks().values())
        prunable = sum(mask.size for mask in ticket.bool_masks().values())
        assert (ticket.prunable_weights, ticket.survivors) == (prunable, survivors)
        assert ticket.pruned == prunable - survivors
        assert ticket.sparsity == (prunable - survivors) / prunable
        assert all(
            type(figure) is int for figure in (ticket.prunable_weights, ticket.survivors, ticket.pruned)
        )

    def test_layers_come_in_state_dict_order(self, ticket: Ticket) -> None:
        layers = [(layer.name, layer.shape, layer.size) for layer in ticket.layers()]
        assert layers == [("conv.weight", (3, 2, 3, 3), 54), ("fc.weight", (7, 3), 21)]
        assert sum(layer.survivors for layer in ticket.layers()) == ticket.survivors
