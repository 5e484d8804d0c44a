from __future__ import annotations

import torch

STRIDES = {"layers_part1": [1, 2, 1, 2, 1, 2], "layers_part2": [1, 1], "layers_part3": [2, 1]}


class TestForward:
    def test_equals_the_formula(self, loaded, formula, images):
        model, x = loaded("cifar_mobilenetv1_2", (3, 11, 8), 5), images(2, 3, 11, 8)
        layers = formula(model.state_dict())
        y = layers.norm(layers.conv(x, "conv"), "bn").clamp(min=0)
        for part, strides in STRIDES.items():
            for i, stride in enumerate(strides):
                block = f"{part}.{i}"
                y = layers.conv(y, f"{block}.conv1", stride, groups=y.shape[1])
                y = layers.norm(y, f"{block}.bn1").clamp(min=0)
                y = layers.norm(layers.conv(y, f"{block}.conv2"), f"{block}.bn2").clamp(min=0)
        assert y.shape == (2, 1024, 1, 1)
        torch.testing.assert_close(model(x), layers.linear(y.flatten(2).mean(2), "fc"))
