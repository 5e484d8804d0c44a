from __future__ import annotations

import torch


class TestForward:
    def test_equals_the_formula(self, loaded, formula, images):
        model, x = loaded("cifar_resnet_14_4", (3, 9, 7), 5), images(2, 3, 9, 7)
        layers = formula(model.state_dict())
        y = layers.norm(layers.conv(x, "conv"), "bn").clamp(min=0)
        for i, stride in enumerate([1, 1, 2, 1, 2, 1]):
            block = f"blocks.{i}"
            residual = layers.norm(layers.conv(y, f"{block}.conv1", stride), f"{block}.bn1").clamp(min=0)
            residual = layers.norm(layers.conv(residual, f"{block}.conv2"), f"{block}.bn2")
            if stride == 2:
                y = layers.norm(layers.conv(y, f"{block}.shortcut.0", 2), f"{block}.shortcut.1")
            y = (y + residual).clamp(min=0)
        assert y.shape == (2, 16, 3, 2)
        torch.testing.assert_close(model(x), layers.linear(y.flatten(2).mean(2), "fc"))
