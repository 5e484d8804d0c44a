from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from bench.cases import CASES
from bench.products import DTYPES, medians, square, step_products
from core.models import build

BATCH = 2


@pytest.mark.parametrize("name", list(CASES))
class TestStepProducts:
    def test_their_operations_are_those_of_a_step(self, name: str) -> None:
        network = CASES[name].architecture
        model = build(network)
        with FlopCounterMode(display=False) as counter:
            images, labels = torch.randn(BATCH, *network.input), torch.zeros(BATCH, dtype=torch.long)
            F.cross_entropy(model(images), labels).backward()
        products = step_products(network, BATCH, torch.float32)
        assert sum(product.flops for product in products) == counter.get_total_flops()

    @pytest.mark.parametrize("mode", list(DTYPES))
    def test_each_computes_what_it_says(self, name: str, mode: str) -> None:
        for product in step_products(CASES[name].architecture, BATCH, DTYPES[mode]):
            with FlopCounterMode(display=False) as counter:
                product.call()
            assert counter.get_total_flops() == product.flops, product.label


class TestMedians:
    def test_there_is_one_for_each_even_in_no_time(self) -> None:
        products = step_products(CASES["mlp_2"].architecture, BATCH, torch.float32)
        assert len([seconds for seconds in medians(products, 0) if seconds > 0]) == len(products)


class TestSquare:
    def test_counts_an_addition_and_a_multiplication(self) -> None:
        assert square(torch.float32).flops == 2 * 2048**3
