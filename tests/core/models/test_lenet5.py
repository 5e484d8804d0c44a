from __future__ import annotations

import pytest
import torch


def written_out(layers, x):
    for i in (1, 2):
        x = layers.conv(x, f"conv{i}", padding=0).tanh()
        x = (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
    x = layers.conv(x, "conv3", padding=0).tanh()
    return layers.conv(layers.conv(x, "fc1").tanh(), "fc2")[:, :, 0, 0]


class TestForward:
    def test_equals_the_formula(self, loaded, formula, images):
        model, x = loaded("lenet5", (3, 32, 32), 5), images(4, 3, 32, 32)
        torch.testing.assert_close(model(x), written_out(formula(model.state_dict()), x))

    @pytest.mark.parametrize(("side", "top"), [(28, 2), (1, 15), (31, 0)])
    def test_smaller_images_are_padded_evenly_with_zeros(self, loaded, formula, images, side, top):
        model, x = loaded("lenet5", (1, side, 32), 10), images(2, 1, side, 32)
        padded = torch.zeros(2, 1, 32, 32, dtype=torch.float64)
        padded[:, :, top : top + side] = x
        torch.testing.assert_close(model(x), written_out(formula(model.state_dict()), padded))

    def test_width_is_padded_like_height(self, loaded, images):
        model, x = loaded("lenet5", (1, 20, 27), 10), images(2, 1, 20, 27)
        padded = torch.zeros(2, 1, 32, 32, dtype=torch.float64)
        padded[:, :, 6:26, 2:29] = x
        torch.testing.assert_close(model(x), loaded("lenet5", (1, 32, 32), 10)(padded))
