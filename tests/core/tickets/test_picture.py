"""Masks as pictures, against averaging by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tickets.mask import Mask
from core.tickets.picture import MOST_SIDE, block_of, matrix_shape, picture

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)


def by_hand(mask: np.ndarray, down: int, across: int) -> list[list[float]]:
    """The mean of each block, cell by cell."""
    rows, columns = mask.shape
    return [
        [
            sum(
                bool(mask[r, c])
                for r in range(top, min(top + down, rows))
                for c in range(left, min(left + across, columns))
            )
            / (min(down, rows - top) * min(across, columns - left))
            for left in range(0, columns, across)
        ]
        for top in range(0, rows, down)
    ]


class TestPicture:
    @given(shapes, st.integers(1, 12), st.integers(0, 2**32 - 1))
    def test_every_block_has_its_exact_density(self, shape, most, seed):
        mask = np.random.default_rng(seed).random(shape) < 0.4
        rows = shape[0] if len(shape) > 1 else 1
        drawn = picture(Mask.from_bool(mask), most)
        assert (drawn.rows, drawn.columns) == (rows, mask.size // rows)
        assert drawn.density.tolist() == by_hand(mask.reshape(rows, -1), *drawn.block)
        assert max(drawn.density.shape) <= most

    def test_a_small_layer_is_its_mask(self):
        mask = np.random.default_rng(0).random((30, 7, 3, 3)) < 0.2
        drawn = picture(Mask.from_bool(mask))
        assert drawn.exact
        assert np.array_equal(drawn.density.astype(bool), mask.reshape(30, 63))

    @pytest.mark.parametrize(
        ("side", "block"), [(MOST_SIDE, 1), (MOST_SIDE + 1, 2), (2 * MOST_SIDE, 2), (2 * MOST_SIDE + 1, 3)]
    )
    def test_blocks_are_no_larger_than_they_must_be(self, side, block):
        assert block_of(side, 5) == (block, 1)
        assert block_of(5, side) == (1, block)

    def test_a_vector_is_one_row(self):
        assert matrix_shape((5,)) == (1, 5)
        assert matrix_shape((4, 3, 2, 2)) == (4, 12)
