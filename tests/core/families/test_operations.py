from __future__ import annotations

import pytest

from core.families import architecture
from core.families.definition import made_definition
from core.families.operations import forward_flops, training_flops
from core.families.posted import posted_architecture
from core.training import flops

SQUARE = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 224, 224)]
ODD = (3, 33, 47)
CASES = [
    *((name, shape) for name in ("mlp_2", "mlp_4_70_30", "cifar_resnet_8_4") for shape in [*SQUARE, ODD]),
    *((name, shape) for name in ("cifar_resnet_20", "cifar_mobilenetv1_2") for shape in [(3, 32, 32), ODD]),
    *(("lenet5", shape) for shape in [(1, 8, 8), (1, 28, 28), (3, 31, 32)]),
    *((f"cifar_vgg_{name}", (3, 32, 32)) for name in ("11_8", "13_fc3", "16_4", "19_8")),
    *((f"cifarhe_resnet_{name}", shape) for name in ("18_8", "50_4") for shape in [*SQUARE, ODD]),
    *((f"imagenet_resnet_{name}", shape) for name in ("26", "34_8", "50_8") for shape in [*SQUARE, ODD]),
]


class TestForward:
    @pytest.mark.parametrize(("name", "shape"), CASES)
    def test_is_what_the_network_does_when_it_runs(self, name: str, shape: tuple[int, int, int]) -> None:
        network = architecture(name, shape, 10)
        assert forward_flops(network) == flops.forward_flops(network)

    def test_of_a_posted_architecture_is_not_known(self) -> None:
        fields = {"name": "mine", "prunable": ["*"], "tensors": {"a.weight": [3, 4]}}
        posted = posted_architecture(made_definition(fields))
        assert forward_flops(posted) is None
        assert training_flops(posted) is None


class TestTraining:
    def test_is_the_forward_pass_three_times(self) -> None:
        network = architecture("cifar_resnet_20", (3, 32, 32), 10)
        assert training_flops(network) == flops.training_flops(network, {})[0]
