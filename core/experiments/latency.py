"""What sparsity is worth on the device at hand: a ticket's network dense, sparse and compacted, timed in turns."""

from __future__ import annotations

import copy
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from core.models import build
from core.models.state import load_state
from core.pruning.compaction import compact
from core.pruning.random import random_mask
from core.pruning.sparse_linear import replaced, sparse_form
from core.tickets import Ticket
from core.training.rounds import in_rounds

Layer = nn.Linear | nn.Conv2d

BATCHES = (1, 128)
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""At which the break-even of a layer is looked for."""
SECONDS = 0.1
"""Spent on each comparison."""


@dataclass(frozen=True)
class LayerLatency:
    """Medians of one layer alone, in milliseconds.

    `sparse_ms` is None where the layer has no sparse form. `break_even`: the largest of `DENSITIES` at which, as at all
    smaller ones, the sparse form of a random mask is faster; None where it is at none.
    """

    name: str
    density: float
    dense_ms: float
    sparse_ms: float | None = None
    pays: bool = False
    break_even: float | None = None


@dataclass(frozen=True)
class FormLatency:
    """Median of a form of the whole network; None where there is no such form: no layer's sparse form pays, or
    compaction leaves out no channel.
    """

    form: str
    ms: float | None
    faster: bool


@dataclass(frozen=True)
class BatchLatency:
    """Everything that was timed at one batch size, in the layout of memory in which the dense network is faster."""

    batch: int
    layout: str
    forms: tuple[FormLatency, ...]
    layers: tuple[LayerLatency, ...]


def latency(ticket: Ticket, device: torch.device) -> dict[str, Any]:
    """Time a ticket's network: evaluation mode, float32, random images; as JSON."""
    network = build(ticket.architecture)
    load_state(network, ticket.weights())
    network.to(device).eval()
    densities = {layer.name: layer.survivors / layer.size for layer in ticket.layers()}
    smaller = _compacted(ticket, device)
    batches = []
    for batch in BATCHES:
        images = torch.randn(batch, *ticket.architecture.input, device=device)
        name = _faster_layout(network, images)
        for form in (network, smaller):
            if form is not None:
                form.to(memory_format=LAYOUTS[name])  # type: ignore[call-overload]
        batches.append(asdict(_at(network, smaller, _laid(images, name), name, densities)))
    return {"machine": _machine(device), "batches": batches}


def _compacted(ticket: Ticket, device: torch.device) -> nn.Module | None:
    """The network without the channels that make no difference; None where all do, or nobody knows its wiring."""
    if not all(spec.axes for spec in ticket.architecture.prunable):
        return None
    found = compact(ticket.architecture, ticket.weights(), ticket.bool_masks())
    left = sum(array.size for array in found.weights.values())
    fewer = left < sum(spec.size for spec in ticket.architecture.tensors)
    return found.network.to(device) if fewer else None


def _faster_layout(network: nn.Module, images: Tensor) -> str:
    """The layout in which the dense network is faster: a form that is compared with the slower one proves nothing."""
    calls = [
        partial(copy.deepcopy(network).to(memory_format=layout), _laid(images, name))  # type: ignore[call-overload]
        for name, layout in LAYOUTS.items()
    ]
    rounds = in_rounds(calls, images.device, SECONDS)
    return min(LAYOUTS, key=lambda name: rounds.median(list(LAYOUTS).index(name)))


def _laid(x: Tensor, name: str) -> Tensor:
    """Images in that layout; rows of features have one only."""
    return x.contiguous(memory_format=LAYOUTS[name]) if x.dim() == 4 else x


def _at(
    network: nn.Module,
    smaller: nn.Module | None,
    images: Tensor,
    layout: str,
    densities: Mapping[str, float],
) -> BatchLatency:
    paying: dict[str, nn.Module] = {}
    break_even: dict[Any, float | None] = {}
    layers = []
    for name, layer, taken in _layers(network, images):
        if (weight := f"{name}.weight") not in densities:
            continue
        x, sparse = _laid(torch.randn(taken, device=images.device), layout), sparse_form(layer)
        if sparse is None:
            rounds = in_rounds([partial(layer, x)], x.device, SECONDS)
            layers.append(LayerLatency(weight, densities[weight], 1000 * rounds.median(0)))
            continue
        rounds = in_rounds([partial(layer, x), partial(sparse, x)], x.device, SECONDS)
        if pays := rounds.beats(1, 0):
            paying[name] = sparse
        alike = (layer.weight.shape, getattr(layer, "stride", None), taken)
        if alike not in break_even:
            break_even[alike] = even(layer, x)
        medians = (1000 * rounds.median(0), 1000 * rounds.median(1))
        layers.append(LayerLatency(weight, densities[weight], *medians, pays, break_even[alike]))
    sparse_network = replaced(network, paying) if paying else None
    forms = {"dense": network, "sparse": sparse_network, "compacted": smaller}
    return BatchLatency(len(images), layout, tuple(_forms(forms, images)), tuple(layers))


def _forms(forms: Mapping[str, nn.Module | None], images: Tensor) -> Iterator[FormLatency]:
    there = {name: form for name, form in forms.items() if form is not None}
    rounds = in_rounds([partial(form, images) for form in there.values()], images.device, SECONDS)
    for name in forms:
        if name in there:
            place = list(there).index(name)
            yield FormLatency(name, 1000 * rounds.median(place), rounds.beats(place, 0))
        else:
            yield FormLatency(name, None, faster=False)


def even(layer: Layer, x: Tensor) -> float | None:
    """The break-even density of a linear layer or 1×1 convolution on inputs like `x`, from the sparsest up."""
    found = None
    for density in DENSITIES:
        form = sparse_form(_thinned(layer, density))
        assert form is not None
        if not in_rounds([partial(layer, x), partial(form, x)], x.device, SECONDS).beats(1, 0):
            break
        found = density
    return found


def _thinned(layer: Layer, density: float) -> nn.Module:
    """The layer with random weights of that density, at least one."""
    weight = layer.weight
    survivors = max(1, round(density * weight.numel()))
    mask = random_mask({"weight": tuple(weight.shape)}, survivors, 0)["weight"]
    thinned = copy.deepcopy(layer)
    values = torch.rand_like(weight) + 1
    thinned.weight = nn.Parameter(values * torch.tensor(mask, device=weight.device))
    return thinned


def _layers(network: nn.Module, images: Tensor) -> list[tuple[str, Layer, torch.Size]]:
    """Linear and convolutional layers with the shapes of what they take, in the order of the forward pass."""
    seen: list[tuple[str, Layer, torch.Size]] = []

    def notice(name: str, layer: Layer, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        seen.append((name, layer, inputs[0].shape))

    hooks = [
        layer.register_forward_hook(partial(notice, name))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return seen


def _machine(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "device": f"{device.type} {name}",
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
