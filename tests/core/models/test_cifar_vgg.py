from __future__ import annotations

import pytest
import torch


def halved(x: torch.Tensor) -> torch.Tensor:
    rows = torch.maximum(x[..., ::2, :], x[..., 1::2, :])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


class TestForward:
    @pytest.mark.parametrize(
        ("name", "indices", "pools"),
        [
            ("cifar_vgg_11_4", [0, 2, 4, 5, 7, 8, 10, 11], {1, 3, 6, 9}),
            ("cifar_vgg_13_4_fc3", [0, 1, 3, 4, 6, 7, 9, 10, 12, 13], {2, 5, 8, 11}),
            ("cifar_vgg_16_4", [0, 1, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16], {2, 5, 9, 13}),
        ],
    )
    def test_equals_the_formula(self, loaded, formula, images, name, indices, pools):
        model, x = loaded(name, (3, 32, 32), 5), images(3, 3, 32, 32)
        layers = formula(model.state_dict())
        y = x
        for i in range(indices[-1] + 1):
            if i in pools:
                y = halved(y)
            else:
                y = layers.norm(layers.conv(y, f"layers.{i}.conv"), f"layers.{i}.bn").clamp(min=0)
        assert y.shape == (3, 32, 2, 2)
        y = y.flatten(2).mean(2)
        for i in (0, 2) if name.endswith("fc3") else ():
            y = layers.linear(y, f"classifier.{i}").clamp(min=0)
        torch.testing.assert_close(model(x), layers.linear(y, "fc"))
