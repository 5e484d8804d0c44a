"""What leaving out dead channels brings: the forward pass of dense networks beside that of their compacted tickets.

Half of the normalised channels are pruned, as for an early-bird ticket, by the scales of the initialisation. Both
networks are timed in turns, in one process, in evaluation mode.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from bench.machine import machine
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.recipes import PRESETS
from core.models import build
from core.models.state import load_state
from core.pruning.channels import weight_masks, written_by
from core.pruning.compaction import compact
from core.pruning.early_bird import channel_mask

NETWORKS = ("cifar_resnet_20", "cifar_vgg_13")
SHARE = 0.5
BATCHES = (1, 128)
SECONDS = 8.0


def compare(
    names: Sequence[str] = NETWORKS, batches: Sequence[int] = BATCHES, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """Per network and batch, milliseconds of a forward pass of each, medians over so many seconds, and their ratio."""
    found = []
    for name in names:
        network = architecture(name, (3, 32, 32), 10)
        weights = initialise(network, 0)
        channels = channel_mask({scale: weights[scale] for scale in written_by(network)}, SHARE)
        masks = weight_masks(network, channels, PRESETS[network.family].dense)
        dense = build(network).eval()
        load_state(dense, weights)
        smaller = compact(network, weights, masks)
        left = sum(array.size for array in smaller.weights.values())
        for batch in batches:
            images = torch.randn(batch, *network.input, generator=torch.Generator().manual_seed(0))
            milliseconds = _in_turns([dense, smaller.network], images, seconds)
            found.append(
                {
                    "network": name,
                    "batch": batch,
                    "weights_left": round(left / sum(array.size for array in weights.values()), 3),
                    "dense_ms": round(milliseconds[0], 3),
                    "compacted_ms": round(milliseconds[1], 3),
                    "speed_up": round(milliseconds[0] / milliseconds[1], 2),
                }
            )
    return found


@torch.no_grad()
def _in_turns(networks: list[nn.Module], images: Tensor, seconds: float) -> list[float]:
    """The median of each: whatever else the machine does meets both alike."""
    for network in networks:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = images.contiguous(memory_format=torch.channels_last)
    times: list[list[float]] = [[] for _ in networks]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 5:
        for network, spent in zip(networks, times, strict=True):
            began = time.perf_counter()
            network(images)
            spent.append(1000 * (time.perf_counter() - began))
    # The first pass of each prepares its products.
    return [median(spent[1:]) for spent in times]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    about = machine()
    table = Table(title=f"{about['processor']}, {torch.get_num_threads()} threads, torch {about['torch']}")
    found = compare()
    for column in found[0]:
        table.add_column(column.replace("_", " "))
    for row in found:
        table.add_row(*map(str, row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
