"""The catalogue's worked examples: a small vision transformer that a user posts, and what the lists show."""

from __future__ import annotations

from typing import Any

from core.jobs.recipes import PRESETS

DEFINITION: dict[str, Any] = {
    "name": "vit_small",
    "input": [3, 32, 32],
    "classes": 10,
    "stages": [{"name": "blocks", "pattern": "blocks.{unit}."}],
    "prunable": ["*.weight"],
    "dense": ["*embed*"],
    "tensors": {
        "cls_token": [1, 1, 8],
        "patch_embed.proj.weight": [8, 3, 4, 4],
        "blocks.0.norm.weight": [8],
        "blocks.0.mlp.weight": [8, 8],
        "blocks.1.norm.weight": [8],
        "blocks.1.mlp.weight": [8, 8],
        "head.weight": [10, 8],
    },
}
RESNET: dict[str, Any] = {
    "name": "my_resnet",
    "input": [3, 32, 32],
    "classes": 10,
    "stages": [
        {"name": "wide", "pattern": "blocks.{unit}.", "units": [0, 1]},
        {"name": "wider", "pattern": "blocks.{unit}.", "units": [2, 3], "fixed": [0]},
    ],
    "prunable": ["*.weight"],
    "tensors": {
        "blocks.0.conv.weight": [3, 3, 3, 3],
        "blocks.0.bn.num_batches_tracked": {"shape": [], "dtype": "I64"},
        "blocks.1.conv.weight": [3, 3, 3, 3],
        "blocks.1.bn.num_batches_tracked": {"shape": [], "dtype": "I64"},
        "blocks.2.conv.weight": [6, 3, 3, 3],
        "blocks.3.conv.weight": [6, 6, 3, 3],
        "fc.weight": [10, 6],
    },
}
MLP: dict[str, Any] = {
    "name": "mlp",
    "pattern": "mlp_N",
    "limits": "N from 1 to 1000; lenet_300_100 is mlp_1",
    "summary": "Multilayer perceptron: N hidden layers of 300, one of 100. Units: the layers 300 → 300.",
    "examples": ["mlp_2", "mlp_3", "mlp_4"],
    "recipe": PRESETS["mlp"].model_dump(mode="json"),
    "posted": [],
}
DIGITS: dict[str, Any] = {
    "name": "digits",
    "title": "Optical handwritten digits, bundled with scikit-learn",
    "input": [1, 8, 8],
    "classes": 10,
    "train": 1437,
    "test": 360,
    "augmented": False,
    "files": [],
    "sources": [],
}
IMP: dict[str, Any] = {
    "name": "imp",
    "title": "Iterative magnitude pruning with rewinding",
    "source": "E-LTH, section 2",
    "parameters": {"type": "object", "properties": {"level": {"type": "integer", "default": 10}}},
    "defaults": {"level": 10, "fraction": 0.2},
    "request": "find",
    "cost": "a training per level, and the way to the rewind point",
    "trainings": 10,
}
HIDDEN: dict[str, Any] = {
    "name": "hidden",
    "units": [],
    "entries": [{"fixed": True, "tensors": {"weight": "fc_layers.0.weight", "bias": "fc_layers.0.bias"}}],
}
MLP_1: dict[str, Any] = {
    "name": "mlp_1",
    "family": "mlp",
    "dataset": "digits",
    "input": [1, 8, 8],
    "classes": 10,
    "prunable": 50200,
    "parameters": 50610,
    "tensors": [
        {"name": "fc_layers.0.weight", "shape": [300, 64], "size": 19200, "role": "weight", "prunable": True}
    ],
    "stages": [HIDDEN],
    "stem": ["fc_layers.0.bias", "fc_layers.0.weight"],
    "head": ["fc.bias", "fc.weight"],
    "definition": None,
}
