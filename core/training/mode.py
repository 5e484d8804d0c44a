"""How the arithmetic of a training is done: exactly, or as fast as the machine can."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch.utils._triton import has_triton


@dataclass(frozen=True)
class Mode:
    """What a training computes with.

    `precision`: of products and activations; parameters, optimiser and loss are float32 in either. `compiled`: the
    network's forward and backward pass by torch.compile. `graphed`: a step's launches on a GPU as one CUDA graph.
    """

    exact: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: bool = False
    graphed: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The precision as torch names it."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    def __str__(self) -> str:
        extras = [name for name in ("exact", "compiled", "graphed") if getattr(self, name)]
        return ", ".join([self.precision, *extras])


EXACT = Mode(exact=True)


def fast_modes(device: torch.device) -> list[Mode]:
    """What can be tried on a device, without compilation; the first is what to take unmeasured."""
    modes = [Mode(precision="bfloat16"), Mode()] if _multiplies_bfloat16(device) else [Mode()]
    # Without a graph first: it is what a training takes that is too short to be measured, and it always works.
    return [*modes, *(replace(mode, graphed=True) for mode in modes)] if device.type == "cuda" else modes


def compiles(device: torch.device) -> bool:
    """Whether torch.compile has what it needs: on a CPU a C++ compiler, on a GPU Triton."""
    if device.type == "cuda":
        return bool(has_triton())
    return any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++"))


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether there are instructions for it: without them bfloat16 is emulated, several times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
