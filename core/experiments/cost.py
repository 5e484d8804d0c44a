"""What a training cost, and how fast it went: what its run's record says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.families.architecture import Architecture
from core.training.flops import training_flops
from core.training.loop import Trained


def cost(
    trained: Trained, architecture: Architecture, masks: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    """`Speed` as JSON, the operations per image with and without the pruned weights, and the devices' seconds.

    Of what several trainings used together, seconds and energy are this one's share, so that runs add up; rate, step
    and memory are those of the computation that all of them were.
    """
    speed, devices = asdict(trained.speed), trained.fingerprint.devices
    dense, sparse = training_flops(architecture, masks)
    speed["evaluation_seconds"] *= devices / trained.speed.replicates
    if speed["energy_joules"] is not None:
        speed["energy_joules"] /= trained.speed.replicates
    flops = {"dense": dense, "sparse": sparse}
    return speed | {"training_flops": flops, "device_seconds": trained.seconds * devices}
