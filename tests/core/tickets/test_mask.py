from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.tickets import Failure, InvalidTicket, Mask

booleans = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9))


class TestFromBool:
    @given(booleans)
    @settings(max_examples=100)
    def test_round_trip(self, array: np.ndarray) -> None:
        mask = Mask.from_bool(array)
        assert mask.shape == array.shape
        assert mask.size == array.size
        assert mask.to_bool().dtype == np.bool_
        assert np.array_equal(mask.to_bool(), array)

    @given(booleans)
    @settings(max_examples=100)
    def test_weight_i_is_bit_i_mod_8_of_byte_i_div_8(self, array: np.ndarray) -> None:
        expected = [0] * ((array.size + 7) // 8)
        for i, kept in enumerate(array.flatten().tolist()):
            expected[i // 8] |= kept << (i % 8)
        assert Mask.from_bool(array).bits.tolist() == expected

    @given(booleans)
    @settings(max_examples=100)
    def test_survivors_are_the_ones(self, array: np.ndarray) -> None:
        survivors = Mask.from_bool(array).survivors
        assert type(survivors) is int
        assert survivors == array.flatten().tolist().count(True)

    def test_survivors_of_a_large_mask_do_not_wrap_around(self) -> None:
        assert Mask.from_bool(np.ones(100_003, bool)).survivors == 100_003

    def test_column_major_arrays_are_packed_row_major(self) -> None:
        array = np.asfortranarray(np.random.default_rng(0).random((5, 7)) < 0.5)
        assert np.array_equal(Mask.from_bool(array).to_bool(), array)

    def test_zeros_and_ones_are_not_booleans(self) -> None:
        with pytest.raises(InvalidTicket, match="boolean") as caught:
            Mask.from_bool(np.ones(3, np.uint8))
        assert caught.value.failure is Failure.TENSOR_DTYPE


class TestConstruction:
    @given(st.integers(0, 40), st.integers(0, 8))
    def test_another_number_of_bytes_is_refused(self, size: int, length: int) -> None:
        bits = np.zeros(length, np.uint8)
        if length == (size + 7) // 8:
            assert Mask((size,), bits).survivors == 0
        else:
            with pytest.raises(InvalidTicket) as caught:
                Mask((size,), bits)
            assert caught.value.failure is Failure.TENSOR_SHAPE

    @pytest.mark.parametrize("bit", range(8))
    def test_only_padding_bits_must_be_zero(self, bit: int) -> None:
        bits = np.array([255, 1 << bit], np.uint8)
        if bit < 3:
            assert Mask((11,), bits).survivors == 9
        else:
            with pytest.raises(InvalidTicket) as caught:
                Mask((11,), bits)
            assert caught.value.failure is Failure.MASK_PADDING

    def test_other_types_are_refused(self) -> None:
        with pytest.raises(InvalidTicket) as caught:
            Mask((8,), np.zeros(1, np.int8))  # type: ignore[arg-type]
        assert caught.value.failure is Failure.TENSOR_DTYPE

    def test_immutable(self) -> None:
        mask = Mask.from_bool(np.ones(8, bool))
        with pytest.raises(ValueError, match="read-only"):
            mask.bits[0] = 0
        with pytest.raises(dataclasses.FrozenInstanceError):
            mask.shape = (4, 2)  # type: ignore[misc]


class TestEquality:
    def test_by_content(self) -> None:
        array = np.random.default_rng(0).random((3, 5)) < 0.5
        assert Mask.from_bool(array) == Mask.from_bool(array.copy())
        assert hash(Mask.from_bool(array)) == hash(Mask.from_bool(array.copy()))

    def test_one_bit_or_the_shape_makes_another_mask(self) -> None:
        array = np.zeros((3, 5), bool)
        other = array.copy()
        other[2, 4] = True
        assert Mask.from_bool(array) != Mask.from_bool(other)
        assert Mask.from_bool(array) != Mask.from_bool(array.reshape(5, 3))
        assert Mask.from_bool(array) != "mask"
