"""Run every benchmark and write what was measured to bench/results."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import torch

from bench import tickets, training, transform

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Print and keep the measurements."""
    torch.set_num_threads(1)
    measured = {
        "machine": {
            "processor": platform.machine(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "torch": torch.__version__,
        },
        "training": [training.compare(case) for case in training.CASES],
        "tickets": tickets.compare(),
        "transform": transform.compare(),
    }
    text = json.dumps(measured, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "bench.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
