"""What of a mask does any work: weights on a path from input to output, dead channels, empty layers.

Effective sparsity (Vysogorets and Kempe, 2021, Connectivity Matters, section 3): a surviving weight that no path
from the input to the output takes is as good as pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.families.architecture import Architecture, TensorSpec

Masks = Mapping[str, NDArray[np.bool_]]
Channels = NDArray[np.bool_]


@dataclass(frozen=True)
class LayerReach:
    """One prunable tensor, counted exactly.

    `effective`: survivors on a path from input to output. `channels`: its filters, or rows; `dead`: those of them
    without an effective weight. None where it is not known how the network is wired.
    """

    name: str
    size: int
    survivors: int
    effective: int | None = None
    channels: int | None = None
    dead: int | None = None


@dataclass(frozen=True)
class Reach:
    """All prunable tensors, in state-dict order; sums are None where the wiring is not known."""

    layers: tuple[LayerReach, ...]

    @property
    def effective(self) -> int | None:
        """Surviving weights on a path from input to output."""
        counts = [layer.effective for layer in self.layers if layer.effective is not None]
        return sum(counts) if len(counts) == len(self.layers) else None

    @property
    def effective_sparsity(self) -> float | None:
        """1 − effective / all prunable weights."""
        size = sum(layer.size for layer in self.layers)
        return None if self.effective is None else (size - self.effective) / size

    @property
    def unreachable(self) -> int | None:
        """Surviving weights on no path."""
        survivors = sum(layer.survivors for layer in self.layers)
        return None if self.effective is None else survivors - self.effective

    @property
    def empty(self) -> tuple[str, ...]:
        """Tensors without a surviving weight."""
        return tuple(layer.name for layer in self.layers if not layer.survivors)


def reach(architecture: Architecture, masks: Masks) -> Reach:
    """Which weights of a masked network lie on a path from its input to its output.

    Paths are paths of channels: a weight of a convolution leads from a channel to a channel wherever in its kernel it
    stands. Only the input is a source: a bias, or a normalisation's shift, makes a channel something else than 0 but
    lets it tell nothing of the image, so what only constants feed is on no path. What `TensorSpec.axes` wire
    together is followed: the identity of a residual block is a path, weightless. An architecture without axes
    (posted ones, timm's) is of unknown wiring, and only its survivors are counted.
    """
    if not all(spec.axes for spec in architecture.prunable):
        return Reach(tuple(_counted(spec, masks[spec.name]) for spec in architecture.prunable))
    joined = {name: np.asarray(mask.any(axis=tuple(range(2, mask.ndim)))) for name, mask in masks.items()}
    told, wanted = _told(architecture, joined), _wanted(architecture, joined)
    return Reach(
        tuple(
            _reached(architecture, spec, masks[spec.name], told[spec.name], wanted[spec.name])
            for spec in architecture.prunable
        )
    )


def _told(architecture: Architecture, joined: Masks) -> dict[str, Channels]:
    """Per weight, which of the channels it reads something of the input comes to.

    The order of a state dict is that of the computation: every channel is written before it is read, by all blocks of
    a residual stage up to there.
    """
    stream: dict[str, Channels] = {}
    found = {}
    for spec in architecture.prunable:
        (writes, reads), joins = spec.axes[:2], joined[spec.name]
        if _depthwise(architecture, spec):
            found[spec.name] = stream[writes]
            stream[writes] = stream[writes] & joins[:, 0]
            continue
        found[spec.name] = stream[reads] if reads else np.ones(spec.shape[1], np.bool_)
        outputs = np.asarray(joins[:, found[spec.name]].any(axis=1))
        stream[writes] = outputs | stream[writes] if writes in stream else outputs
    return found


def _wanted(architecture: Architecture, joined: Masks) -> dict[str, Channels]:
    """Per weight, which of the channels it writes lead on to the output: the same, backwards."""
    stream: dict[str, Channels] = {}
    found = {}
    for spec in reversed(architecture.prunable):
        (writes, reads), joins = spec.axes[:2], joined[spec.name]
        found[spec.name] = stream[writes] if writes else np.ones(spec.shape[0], np.bool_)
        if _depthwise(architecture, spec):
            stream[writes] = stream[writes] & joins[:, 0]
        else:
            inputs = np.asarray(joins[found[spec.name]].any(axis=0))
            stream[reads] = inputs | stream[reads] if reads in stream else inputs
    return found


def _depthwise(architecture: Architecture, spec: TensorSpec) -> bool:
    """Whether each channel is read by its own filter alone: besides the stem, who reads no group reads its own."""
    return not spec.axes[1] and spec.name not in architecture.stem


def _reached(
    architecture: Architecture, spec: TensorSpec, mask: Channels, told: Channels, wanted: Channels
) -> LayerReach:
    if _depthwise(architecture, spec):
        effective = mask & (told & wanted)[:, None, None, None]
    else:
        effective = mask[np.ix_(wanted, told)]
    alive = int(np.count_nonzero(effective.any(axis=tuple(range(1, mask.ndim)))))
    return LayerReach(
        spec.name,
        spec.size,
        int(np.count_nonzero(mask)),
        int(np.count_nonzero(effective)),
        spec.shape[0],
        spec.shape[0] - alive,
    )


def _counted(spec: TensorSpec, mask: Channels) -> LayerReach:
    return LayerReach(spec.name, spec.size, int(np.count_nonzero(mask)))
