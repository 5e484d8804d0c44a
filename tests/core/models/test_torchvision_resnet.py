from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F


class TestForward:
    @pytest.mark.parametrize(
        ("name", "counts", "bottleneck"),
        [
            ("imagenet_resnet_26_4", (2, 3, 4, 3), False),
            ("imagenet_resnet_50_2", (3, 4, 6, 3), True),
            ("cifarhe_resnet_18_4", (2, 2, 2, 2), False),
            ("cifarhe_resnet_50_2", (3, 4, 6, 3), True),
        ],
    )
    def test_equals_the_formula(self, loaded, formula, images, name, counts, bottleneck):
        model, x = loaded(name, (3, 37, 24), 5), images(2, 3, 37, 24)
        layers = formula(model.state_dict())
        if name.startswith("imagenet"):
            y = layers.norm(layers.conv(x, "conv1", 2), "bn1").clamp(min=0)
            # ReLU leaves nothing below 0, so zeros around the image are as good as −∞.
            y = F.pad(y, (1, 1, 1, 1)).unfold(2, 3, 2).unfold(3, 3, 2).amax((4, 5))
        else:
            y = layers.norm(layers.conv(x, "conv1"), "bn1").clamp(min=0)
        # The convolution with the stride is the first of a basic block and the second, 3×3, of a bottleneck.
        convolutions, strided = (3, 2) if bottleneck else (2, 1)
        for s, count in enumerate(counts, 1):
            for i in range(count):
                block, stride = f"layer{s}.{i}", 2 if s > 1 and i == 0 else 1
                residual = y
                for k in range(1, convolutions + 1):
                    residual = layers.conv(residual, f"{block}.conv{k}", stride if k == strided else 1)
                    residual = layers.norm(residual, f"{block}.bn{k}")
                    residual = residual if k == convolutions else residual.clamp(min=0)
                if f"{block}.downsample.0.weight" in layers.tensors:
                    y = layers.norm(layers.conv(y, f"{block}.downsample.0", stride), f"{block}.downsample.1")
                y = (y + residual).clamp(min=0)
        assert y.shape[2:] == ((2, 1) if name.startswith("imagenet") else (5, 3))
        torch.testing.assert_close(model(x), layers.linear(y.flatten(2).mean(2), "fc"))
