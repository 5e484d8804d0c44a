"""A fleet's worked examples."""

from __future__ import annotations

from typing import Any

POOL: dict[str, Any] = {
    "name": "gpu-1:4702",
    "slots": 2,
    "held": 1,
    "gpus": 1,
    "gpu_memory_mib": 81559,
    "memory_mib": 2063811,
    "takes": ["any", "gpu"],
    "drained": False,
    "live": True,
    "started_at": "2026-01-30T08:00:00Z",
    "seen_at": "2026-01-31T11:59:55Z",
}
FLEET: dict[str, Any] = {
    "at": "2026-01-31T12:00:00Z",
    "pools": [POOL],
    "demand": [
        {
            "need": "gpu+2048m",
            "queue": "elasticket.gpu",
            "devices": 1,
            "queued": 3,
            "running": 1,
            "oldest_seconds": 71.5,
            "workers": 1,
        }
    ],
    "workers": [
        {
            "name": "gpu-1:4711",
            "device": "cuda NVIDIA H100 80GB HBM3",
            "holds": [
                {
                    "job": "4b1d" * 8,
                    "kind": "train",
                    "state": "running",
                    "since": "2026-01-31T11:58:20Z",
                    "silent": False,
                }
            ],
            "last_seen": "2026-01-31T12:00:00Z",
            "succeeded": 41,
            "failed": 1,
            "cancelled": 0,
            "lost": 0,
        }
    ],
    "queue": {"queued": 3, "waiting": 0, "running": 1, "cancelling": 0, "oldest_seconds": 71.5},
    "dispatch": {
        "unannounced": 0,
        "oldest_seconds": None,
        "expired": 0,
        "announced_at": "2026-01-31T11:59:12Z",
        "late": False,
    },
    "hours": [{"start": "2026-01-31T12:00:00Z", "succeeded": 4, "failed": 1, "cancelled": 0}],
    "days": [{"start": "2026-01-31T00:00:00Z", "device_seconds": 31200.5}],
}
