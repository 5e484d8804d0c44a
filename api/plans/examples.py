"""A plan's worked example: what appendix B of E-LTH reports."""

from __future__ import annotations

from typing import Any

ASKED: dict[str, Any] = {
    "targets": ["imagenet_resnet_18", "imagenet_resnet_26", "imagenet_resnet_34"],
    "dataset": "imagenet",
    "level": 6,
    "methods": ["elth", "imp", "rigl"],
    "source": "imagenet_resnet_26",
    "hours": {"imagenet_resnet_18": 9.0, "imagenet_resnet_26": 10.0, "imagenet_resnet_34": 10.8},
    "devices": 8,
    "price": 2.5,
}
MEASURED: dict[str, Any] = {"targets": ["mlp_2", "mlp_3"], "dataset": "digits", "sources": ["mlp_4"]}
ANSWER: dict[str, Any] = {
    "plans": [
        {
            "name": "elth from imagenet_resnet_26",
            "method": "elth",
            "source": "imagenet_resnet_26",
            "networks": [
                {
                    "network": "imagenet_resnet_26",
                    "trainings": 7,
                    "steps": 751200,
                    "hours": 70.0,
                    "rewound_hours": 66.666667,
                },
            ],
            "trainings": 9,
            "steps": 964040,
            "hours": 89.8,
            "rewound_hours": 85.366667,
            "device_hours": 718.4,
            "money": 1796.0,
        }
    ],
    "cheapest": "elth from imagenet_resnet_26",
    "cheapest_source": "imagenet_resnet_26",
    "currency": "USD",
    "assumptions": ["a training counts whole, also where it restarts at the rewind point"],
}
