from __future__ import annotations

import pytest

from bench.compaction import compare


class TestCompare:
    def test_the_smaller_network_has_fewer_weights_and_both_are_timed(self) -> None:
        found = compare(["cifar_vgg_11_4"], [1, 2], seconds=0)
        assert [(row["network"], row["batch"]) for row in found] == [
            ("cifar_vgg_11_4", 1),
            ("cifar_vgg_11_4", 2),
        ]
        for row in found:
            assert 0.1 < row["weights_left"] < 0.4
            assert row["speed_up"] == pytest.approx(row["dense_ms"] / row["compacted_ms"], abs=0.05)
