"""timm's models as families: `timm:MODEL` is described by its own state dict, `timm:MODEL:24` built with that depth.

timm is an optional dependency: `pip install elasticket[timm]`.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import nn

from core.families.architecture import Architecture
from core.families.definition import TIMM, BadDefinition, Definition
from core.families.family import UnknownArchitecture
from core.families.posted import parse_name, posted_architecture
from core.families.proposal import propose

_DEPTHS = ("layers", "depths")
"""Constructor keywords that take the entries of every stage; `depth` takes the number of all blocks."""
_DTYPES = {torch.float32: "F32", torch.int64: "I64"}


def define(name: str, input: tuple[int, int, int], classes: int) -> Definition:  # noqa: A002
    """The family of `timm:MODEL` or `timm:MODEL:COUNTS` for this input and classes, its stages proposed.

    The same object for the same request. The model is made on the meta device: nothing of its size is allocated, no
    weights are fetched. Raises `UnknownArchitecture` for a name that timm does not know, an input or a number of
    classes that the model does not take, and where timm is not installed.
    """
    return _defined(_model_name(name), input, classes)


def build(architecture: Architecture) -> nn.Module:
    """The network of a `timm:` architecture on the CPU, its values not yet meaningful.

    Other counts than the model's own are given to its constructor, where that takes them. Raises
    `UnknownArchitecture` where no keyword of it makes this network.
    """
    name, shape, classes = architecture.name, architecture.input, architecture.classes
    model = _model_name(name)
    own = posted_architecture(define(name, shape, classes)).name
    ways = [{}] if own == name else _ways(model, tuple(len(s.entries) for s in architecture.anatomy.stages))
    for way in ways:
        try:
            with torch.device("meta"):
                state = _made(model, shape, classes, way).state_dict()
        except UnknownArchitecture:
            continue
        tensors = {tensor: tuple(value.shape) for tensor, value in state.items()}
        if tensors == {spec.name: spec.shape for spec in architecture.tensors}:
            return _made(model, shape, classes, way)
    taken = ", ".join(keyword for way in ways for keyword in way) or "nothing"
    raise UnknownArchitecture(
        f"{name}: timm makes no such network, for its depth the model takes {taken}; accepted: {own}"
    )


@lru_cache(maxsize=32)
def _defined(model: str, input: tuple[int, int, int], classes: int) -> Definition:  # noqa: A002
    with torch.device("meta"), torch.no_grad():
        made = _made(model, input, classes, {}).eval()
        try:
            made(torch.empty(1, *input))
        except (AssertionError, RuntimeError) as error:
            raise UnknownArchitecture(
                f"{TIMM}{model} does not take images of {list(input)}: {error}"
            ) from error
    state = made.state_dict()
    for tensor, value in state.items():
        if value.dtype not in _DTYPES:
            raise UnknownArchitecture(f"{TIMM}{model}: {tensor} is {value.dtype}; accepted: float32, int64")
    tensors = {tensor: (tuple(value.shape), _DTYPES[value.dtype]) for tensor, value in state.items()}
    try:
        return propose(f"{TIMM}{model}", tensors, input=input, classes=classes)
    except BadDefinition as error:
        raise UnknownArchitecture(f"{TIMM}{model}: {error}") from None


def _model_name(name: str) -> str:
    parsed = parse_name(name)
    if parsed is None or not parsed.family.startswith(TIMM):
        raise UnknownArchitecture(
            f"{name[:64]!a} is no model of timm; accepted: timm:MODEL, timm:MODEL:COUNTS"
        )
    return parsed.family.removeprefix(TIMM)


def _made(model: str, input: tuple[int, int, int], classes: int, depth: dict[str, Any]) -> nn.Module:  # noqa: A002
    """The model, on the device that is in force."""
    channels, *sides = input
    given: dict[str, Any] = {"in_chans": channels, "num_classes": classes, **depth}
    if "img_size" in _keywords(model):
        given["img_size"] = tuple(sides)
    return _created(model, given)


@lru_cache(maxsize=32)
def _keywords(model: str) -> frozenset[str]:
    """What the constructor behind timm's factory of this model takes."""
    with torch.device("meta"):
        made = _created(model, {})
    return frozenset(inspect.signature(type(made).__init__).parameters)


def _ways(model: str, counts: tuple[int, ...]) -> list[dict[str, Any]]:
    """The keywords that could ask for these counts."""
    keywords = _keywords(model)
    ways: list[dict[str, Any]] = [{keyword: counts} for keyword in _DEPTHS if keyword in keywords]
    return [*ways, {"depth": sum(counts)}] if "depth" in keywords else ways


def _created(model: str, given: dict[str, Any]) -> nn.Module:
    try:
        timm = import_module("timm")
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision of another torch
        raise UnknownArchitecture(
            f"{TIMM}{model} needs timm, which cannot be imported ({error}); pip install 'elasticket[timm]'"
        ) from error
    try:
        made: nn.Module = timm.create_model(model, pretrained=False, **given)
    except (RuntimeError, TypeError, ValueError, AssertionError, IndexError, KeyError) as error:
        asked = ", ".join(f"{keyword}={value}" for keyword, value in given.items())
        raise UnknownArchitecture(f"{TIMM}{model} with {asked}: timm refuses: {error}") from error
    return made
