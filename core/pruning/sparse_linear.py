"""Linear layers and 1×1 convolutions that multiply their surviving weights alone, held as compressed sparse rows.

The product is feature-major, W · X with X of shape [inputs, columns]: torch multiplies a CSR matrix from the left.
Whether that is faster than the dense layer depends on machine, shapes and density, and has to be measured. Larger
kernels have no such form: on two cores of AVX-512, to unfold what an inner 3×3 convolution of ResNet-20 takes costs
about as much as the dense convolution itself with one image, and at least 1.7 times as much with 128.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping

from torch import Tensor, nn


class SparseLinear(nn.Module):
    """A linear layer; [..., inputs] to [..., outputs]."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = compressed(layer.weight)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """The layer's outputs."""
        features = x.reshape(-1, x.shape[-1]).T
        outputs = (self.weight @ features).T.reshape(*x.shape[:-1], -1)
        return outputs if self.bias is None else outputs + self.bias


class SparsePointwise(nn.Module):
    """A 1×1 convolution; [B, inputs, H, W] to [B, outputs, ⌈H / stride⌉, ⌈W / stride⌉], in the same layout."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight = compressed(layer.weight.flatten(1))
        self.bias = layer.bias
        self.stride = layer.stride

    def forward(self, x: Tensor) -> Tensor:
        """The layer's outputs."""
        rows, columns = self.stride
        taken, first = x[:, :, ::rows, ::columns], x.is_contiguous()
        batch, _, height, width = taken.shape
        # Channels last: a matrix is transposed faster than four dimensions are permuted.
        features = (
            taken.transpose(0, 1).flatten(1)
            if first
            else taken.permute(0, 2, 3, 1).flatten(0, 2).T.contiguous()
        )
        outputs = self.weight @ features
        if self.bias is not None:
            outputs = outputs + self.bias[:, None]
        if first:
            return outputs.reshape(-1, batch, height, width).transpose(0, 1).contiguous()
        return outputs.T.contiguous().reshape(batch, height, width, -1).permute(0, 3, 1, 2)


def sparse_form(layer: nn.Module) -> nn.Module | None:
    """The same layer on its non-zero weights; None where it has no such form: larger kernels, groups, other layers."""
    if type(layer) is nn.Linear:
        return SparseLinear(layer)
    if type(layer) is nn.Conv2d and layer.weight.shape[2:] == (1, 1):
        plain = layer.groups == 1 and layer.padding == (0, 0)
        return SparsePointwise(layer) if plain else None
    return None


def replaced(network: nn.Module, layers: Mapping[str, nn.Module]) -> nn.Module:
    """A copy of the network with other layers in the places of these names."""
    changed = copy.deepcopy(network)
    for name, layer in layers.items():
        changed.set_submodule(name, layer)
    return changed


def compressed(weight: Tensor) -> Tensor:
    """A matrix's non-zero values in CSR."""
    with warnings.catch_warnings():
        # torch calls its sparse layouts beta, once a process.
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return weight.detach().to_sparse_csr()
