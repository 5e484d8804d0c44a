"""Switches torch between exact and fast arithmetic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Read once, when cuBLAS is first used, be it in fast mode: without it deterministic algorithms refuse every matmul.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextmanager
def arithmetic(exact: bool) -> Iterator[None]:
    """Within: deterministic algorithms and full float32 if `exact`; else TF32, and cuDNN picks by measuring.

    Only what CUDA does differs; on a CPU both are exact. The settings found are restored.
    """
    cudnn = torch.backends.cudnn
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.backends.cuda.matmul.allow_tf32,
        cudnn.allow_tf32,
        cudnn.benchmark,
    )
    _apply(exact, False, not exact, not exact, not exact)
    try:
        yield
    finally:
        _apply(*before)


def _apply(deterministic: bool, fill: bool, matmul_tf32: bool, cudnn_tf32: bool, benchmark: bool) -> None:
    torch.use_deterministic_algorithms(deterministic)
    # Filling is a debugging aid: it writes every new tensor twice.
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.allow_tf32 = matmul_tf32
    torch.backends.cudnn.allow_tf32 = cudnn_tf32
    torch.backends.cudnn.benchmark = benchmark
