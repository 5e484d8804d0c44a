"""Studies by name: the paper's tables and questions, at the paper's scale and at one for a CPU.

What a study states here may be replaced in the request, field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.studies.arms import RIVALS, Arm

Fields = Mapping[str, Any]


def _rivals(*names: str) -> list[dict[str, Any]]:
    return [arm.model_dump() for arm in RIVALS if arm.name in names]


def _stretched(name: str, **parameters: Any) -> dict[str, Any]:
    return Arm(name=name, method="ett", parameters=parameters).model_dump()


_TABLE = _rivals("ETT", "IMP", "random", "dense")
_AGAINST_ALL = _rivals(
    "ETT", "IMP", "magnitude at initialisation", "SNIP", "GraSP", "SynFlow", "random", "dense"
)
_AGAINST_RIGL = _rivals("ETT", "IMP", "static", "RigL", "RigL, 5 ×", "dense")

# Where an epoch is a few steps, the layers are grown again sooner.
_SMALL_RIGL = {"name": "RigL", "method": "rigl", "parameters": {"every": 10}}
_SMALL_RIGL_5 = {"name": "RigL, 5 ×", "method": "rigl", "parameters": {"multiplier": 5, "every": 10}}

# What the paper asks of the transformation, and what its code can do besides.
_ABLATIONS = [
    _stretched("append", order="append"),
    _stretched("interpolate", order="interpolate"),
    _stretched("first unit only", replicate={f"stage{stage}": [1] for stage in (1, 2, 3)}),
    _stretched("last unit only", replicate={f"stage{stage}": [2] for stage in (1, 2, 3)}),
    _stretched("without BN", norm="fresh"),
    _stretched("permuted copies", permute=0),
    _stretched("weights re-initialised", weights="reinit"),
    _stretched("at step 0", start="zero"),
    *_rivals("IMP", "random", "dense"),
]

# On digits an epoch is 12 steps, on CIFAR-10 391: with a preset no network would be trained to its end, nor in time.
_SMALL_MLP = {"length": "20ep", "momentum": 0.9}
_SMALL_RESNET = {"length": "12ep", "milestones": ["8ep"], "rewind": "12it", "augment": False}
_SMALL_VGG = {"length": "6ep", "milestones": [], "lr": 0.02, "rewind": "12it", "augment": False}
_SMALL_IMAGENET = {
    **_SMALL_RESNET,
    "length": "6ep",
    "milestones": [],
    "batch": 128,
    "lr": 0.02,
    "warmup": "0it",
}

_MLPS = ["mlp_2", "mlp_3", "mlp_4"]
_FC = [f"cifar_vgg_13_fc{layers}" for layers in (2, 3, 5)]
_RESNETS = [f"cifar_resnet_{depth}" for depth in (14, 20, 32, 44, 56)]
_VGGS = [f"cifar_vgg_{depth}" for depth in (13, 16, 19)]
_IMAGENET = [f"imagenet_resnet_{depth}" for depth in (18, 26, 34)]
_NARROW_IMAGENET = [f"{name}_8" for name in _IMAGENET]


def _among(networks: list[str], **fields: Any) -> dict[str, Any]:
    """Every network's ticket on every other one."""
    return {"sources": networks, "targets": networks, **fields}


STUDIES: dict[str, dict[str, Fields]] = {
    "rivals": {
        "paper": {"sources": ["mlp_2"], "targets": ["mlp_3"]},
        "small": {
            "sources": ["mlp_2"],
            "targets": ["mlp_3"],
            "datasets": ["digits"],
            "recipe": _SMALL_MLP,
        },
    },
    "elth_depth": {
        "paper": _among(_RESNETS, datasets=["cifar10"], levels=[3, 6, 8, 10], arms=_AGAINST_ALL),
        "small": _among(
            ["cifar_resnet_14_8", "cifar_resnet_20_8"],
            datasets=["digits"],
            levels=[1, 3],
            arms=_AGAINST_ALL,
            seeds=[0, 1],
            recipe=_SMALL_RESNET,
        ),
    },
    "elth_vgg_depth": {
        "paper": _among(_VGGS, datasets=["cifar10"], levels=[6, 10], arms=_TABLE),
        "small": _among(
            [f"{name}_8" for name in _VGGS],
            datasets=["digits_32"],
            levels=[2],
            arms=_TABLE,
            seeds=[0],
            recipe=_SMALL_VGG,
        ),
    },
    # Table 5, both halves.
    "elth_fc": {
        "paper": _among(_MLPS, datasets=["mnist"], arms=_TABLE),
        "small": _among(_MLPS, datasets=["digits"], arms=_TABLE, recipe=_SMALL_MLP),
    },
    "elth_fc_vgg": {
        "paper": _among(_FC, datasets=["cifar10"], arms=_TABLE),
        "small": _among(
            ["cifar_vgg_13_8_fc2", "cifar_vgg_13_8_fc3"],
            datasets=["digits_32"],
            levels=[2],
            arms=_TABLE,
            seeds=[0],
            recipe=_SMALL_VGG,
        ),
    },
    # Table 6. It gives no sparsity: both that the paper speaks of.
    "elth_dataset": {
        "paper": {
            "datasets": ["svhn", "cifar10"],
            "found_on": ["svhn", "cifar10"],
            "sources": ["cifar_resnet_20"],
            "targets": ["cifar_resnet_20", "cifar_resnet_32"],
            "levels": [6, 10],
            "arms": _rivals("ETT", "IMP", "dense"),
        },
        "small": {
            "datasets": ["digits", "digits_32"],
            "found_on": ["digits", "digits_32"],
            "sources": ["cifar_resnet_14_4"],
            "targets": ["cifar_resnet_14_4", "cifar_resnet_20_4"],
            "levels": [2],
            "arms": _rivals("ETT", "IMP", "dense"),
            "seeds": [0],
            "recipe": _SMALL_RESNET | {"length": "6ep", "milestones": []},
        },
    },
    # Table 7.
    "elth_imagenet_to_cifar": {
        "paper": _among(
            _IMAGENET,
            datasets=["cifar10_224"],
            found_on=["imagenet"],
            levels=[6],
            arms=_rivals("ETT", "IMP", "dense"),
            recipes={"cifar10_224": {"preset": "cifar_resnet"}},
        ),
        "small": _among(
            _NARROW_IMAGENET[:2],
            datasets=["digits_32"],
            found_on=["digits"],
            levels=[1],
            arms=_rivals("ETT", "IMP", "dense"),
            seeds=[0],
            recipe=_SMALL_IMAGENET,
        ),
    },
    "elth_imagenet": {
        "paper": _among(
            _IMAGENET, datasets=["imagenet"], levels=[6], arms=_rivals("ETT", "IMP", "dense"), seeds=[0]
        ),
        "small": _among(
            _NARROW_IMAGENET[:2],
            datasets=["digits"],
            levels=[1],
            arms=_rivals("ETT", "IMP", "dense"),
            seeds=[0],
            recipe=_SMALL_IMAGENET,
        ),
    },
    # Appendix B: IMP on ResNet-26 alone, and RigL with five times the steps on all three.
    "elth_cost": {
        "paper": {
            "datasets": ["imagenet"],
            "sources": ["imagenet_resnet_26"],
            "targets": _IMAGENET,
            "levels": [6],
            "arms": _rivals("ETT", "RigL, 5 ×"),
            "seeds": [0],
        },
        "small": {
            "datasets": ["digits"],
            "sources": [_NARROW_IMAGENET[0]],
            "targets": _NARROW_IMAGENET[:2],
            "levels": [2],
            "arms": [*_rivals("ETT"), _SMALL_RIGL_5],
            "seeds": [0],
            "recipe": _SMALL_IMAGENET,
        },
    },
    "elth_vs_rigl": {
        "paper": {
            "datasets": ["cifar10"],
            "sources": ["cifar_resnet_20"],
            "targets": ["cifar_resnet_32", "cifar_resnet_44", "cifar_resnet_56"],
            "levels": [6, 10],
            "arms": _AGAINST_RIGL,
        },
        "small": {
            "datasets": ["digits"],
            "sources": ["mlp_2"],
            "targets": ["mlp_3"],
            "arms": [*_rivals("ETT", "IMP", "static", "dense"), _SMALL_RIGL, _SMALL_RIGL_5],
            "recipe": _SMALL_MLP,
        },
    },
    "elth_orders": {
        "paper": {
            "datasets": ["cifar10"],
            "sources": ["cifar_resnet_20"],
            "targets": ["cifar_resnet_32", "cifar_resnet_56"],
            "arms": _ABLATIONS,
        },
        "small": {
            "datasets": ["digits"],
            "sources": ["cifar_resnet_20_4"],
            "targets": ["cifar_resnet_32_4"],
            "levels": [4],
            "arms": _ABLATIONS,
            "seeds": [0],
            "recipe": _SMALL_RESNET,
        },
    },
    # Appendix E names width as an open problem.
    "elth_width": {
        "paper": {
            "datasets": ["cifar10"],
            "sources": ["cifar_resnet_20"],
            "targets": ["cifar_resnet_20_8", "cifar_resnet_20_32", "cifar_resnet_32_32"],
            "levels": [6, 10],
            "arms": _TABLE,
        },
        "small": {
            "datasets": ["digits"],
            "sources": ["cifar_resnet_14_8"],
            "targets": ["cifar_resnet_14_4", "cifar_resnet_20_16"],
            "levels": [3],
            "arms": _TABLE,
            "seeds": [0],
            "recipe": _SMALL_RESNET,
        },
    },
    "elth_lmc": {
        "paper": {
            "datasets": ["cifar10"],
            "sources": ["cifar_resnet_20"],
            "targets": ["cifar_resnet_20", "cifar_resnet_32"],
            "levels": [6, 10],
            "arms": _rivals("ETT", "IMP", "random"),
            "connect": True,
        },
        "small": {
            "datasets": ["digits"],
            "sources": ["mlp_2"],
            "targets": ["mlp_3"],
            "arms": _rivals("ETT", "IMP", "random"),
            "connect": True,
            "recipe": _SMALL_MLP,
        },
    },
}
