from __future__ import annotations

import torch


class TestForward:
    def test_equals_the_formula(self, loaded, formula, images):
        model, x = loaded("mlp_3_20_9", (1, 4, 4), 5), images(7, 1, 4, 4)
        layers = formula(model.state_dict())
        y = x.reshape(7, 16)
        for i in range(4):
            y = layers.linear(y, f"fc_layers.{i}").clamp(min=0)
        torch.testing.assert_close(model(x), layers.linear(y, "fc"))
