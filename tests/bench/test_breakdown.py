from __future__ import annotations

from dataclasses import replace

import pytest

from bench.breakdown import ELEMENTWISE, OUTSIDE, breakdown, category
from bench.cases import CASES
from bench.layouts import Layout
from bench.ours import Variant


class TestCategory:
    @pytest.mark.parametrize(
        ("operator", "expected"),
        [
            ("aten::mkldnn_convolution", "products"),
            ("aten::convolution_backward", "products"),
            ("aten::addmm", "products"),
            ("aten::native_batch_norm_backward", "normalisation"),
            ("aten::_batch_norm_impl_index", "normalisation"),
            ("aten::_fused_sgd_", "optimizer"),
            ("Optimizer.step#SGD.step", "optimizer"),
            ("aten::_foreach_mul_", "masks"),
            ("aten::index", "data"),
            ("aten::sub_", "data"),
            ("aten::_log_softmax_backward_data", "loss"),
            ("aten::threshold_backward", ELEMENTWISE),
            ("aten::add", ELEMENTWISE),
        ],
    )
    def test_by_name(self, operator: str, expected: str) -> None:
        assert category(operator) == expected


class TestBreakdown:
    def test_a_perceptron_multiplies_and_normalises_nothing(self) -> None:
        case = replace(CASES["mlp_2"], images=1280)
        found = breakdown(case, Variant("fp32", 1), Layout(1, 1))
        assert found["step_ms"] > 0
        assert found["profiled_ms"]["products"] > 0
        assert found["profiled_ms"]["normalisation"] == 0
        assert list(found["profiled_ms"])[-1] == OUTSIDE
