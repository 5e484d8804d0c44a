from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from core.experiments.cost import cost
from core.families import architecture
from core.training.fingerprint import fingerprint
from core.training.loop import Trained
from core.training.mode import Mode
from core.training.speed import Speed

NETWORK = architecture("mlp_1", (1, 8, 8), 10)
SPEED = Speed(
    mode="bfloat16",
    replicates=4,
    images=4000,
    images_per_second=800.0,
    step_seconds={"data": 0.1, "forward, backward": 0.3},
    evaluation_seconds=2.0,
    peak_memory_bytes=123,
    energy_joules=100.0,
)


def trained(speed: Speed, devices: int = 1) -> Trained:
    return Trained({}, (), 10, 1.75, speed, fingerprint(torch.device("cpu"), Mode(), devices))


class TestCost:
    def test_seconds_and_energy_are_a_share_and_rates_are_of_all_together(self) -> None:
        found = cost(trained(SPEED), NETWORK, {})
        assert (found["evaluation_seconds"], found["energy_joules"], found["device_seconds"]) == (
            0.5,
            25,
            1.75,
        )
        assert (found["images_per_second"], found["replicates"], found["mode"]) == (800, 4, "bfloat16")
        assert found["step_seconds"] == SPEED.step_seconds
        assert json.loads(json.dumps(found)) == found

    def test_every_device_spends_the_time(self) -> None:
        found = cost(trained(dataclasses.replace(SPEED, replicates=1), devices=2), NETWORK, {})
        assert (found["device_seconds"], found["evaluation_seconds"]) == (3.5, 4.0)
        assert found["images_per_second"] == 800

    def test_energy_that_nobody_measured_stays_unknown(self) -> None:
        unknown = dataclasses.replace(SPEED, energy_joules=None)
        assert cost(trained(unknown), NETWORK, {})["energy_joules"] is None

    def test_operations_are_counted_with_and_without_the_pruned_weights(self) -> None:
        masks = {spec.name: np.arange(spec.size).reshape(spec.shape) % 4 == 0 for spec in NETWORK.prunable}
        # Two for each weight and image, and three products: one forward, two backward.
        dense = sum(6 * spec.size for spec in NETWORK.prunable)
        found = cost(trained(SPEED), NETWORK, masks)["training_flops"]
        assert found == {"dense": dense, "sparse": pytest.approx(dense / 4, abs=6 * len(masks))}
