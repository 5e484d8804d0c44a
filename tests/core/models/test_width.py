from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.elastic import width
from core.elastic.width import group_sizes
from core.families import architecture
from core.families.architecture import Architecture, Role
from core.models import build
from core.models.state import load_state

WIDENINGS = [
    ("mlp_2_12_8", "mlp_2_17_11", [1, 4, 4]),
    ("cifar_resnet_8_4", "cifar_resnet_8_6", [3, 9, 7]),
    ("cifar_vgg_11_4", "cifar_vgg_11_6", [3, 32, 32]),
    ("cifar_vgg_11_4_fc3", "cifar_vgg_11_9_fc3", [3, 32, 32]),
    ("imagenet_resnet_18_8", "imagenet_resnet_18_12", [3, 40, 40]),
    ("imagenet_resnet_50_4", "imagenet_resnet_50_8", [3, 40, 40]),
    ("cifarhe_resnet_18_4", "cifarhe_resnet_18_6", [3, 8, 8]),
]
ONE_WIDTH = [("lenet5", [1, 12, 12]), ("cifar_mobilenetv1_1", [3, 8, 8])]


def sparse_state(network: Architecture) -> tuple[dict, dict]:
    """Float64 tensors of every kind that are all different, half of the prunable weights zero."""
    rng = np.random.default_rng(0)
    weights, masks = {}, {}
    for spec in network.tensors:
        if spec.role is Role.COUNT:
            weights[spec.name] = np.array(3, np.int64)
        elif spec.role in (Role.VARIANCE, Role.SCALE):
            weights[spec.name] = rng.uniform(0.5, 1.5, spec.shape)
        elif spec.role is Role.WEIGHT:
            masks[spec.name] = rng.random(spec.shape) < 0.5
            scale = np.sqrt(4 / np.prod(spec.shape[1:]))
            weights[spec.name] = rng.standard_normal(spec.shape) * scale * masks[spec.name]
        else:
            weights[spec.name] = rng.standard_normal(spec.shape) * 0.1
    return weights, masks


def carried(network: Architecture, shapes: dict[str, tuple[int, ...]]) -> tuple[dict, dict]:
    axes = {spec.name: spec.axes for spec in network.tensors}
    old = {spec.name: spec.shape for spec in network.tensors}
    tensors = list(width.carry_width(*sparse_state(network), axes, old, shapes))
    masks = {one.name: one.mask for one in tensors if one.mask is not None}
    return {one.name: one.weight for one in tensors}, masks


def logits(model: nn.Module, shape: list[int], *, training: bool = False) -> torch.Tensor:
    images = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        return model.train(training)(images)


def loaded(network: Architecture, arrays: dict) -> nn.Module:
    model = build(network).double()
    load_state(model, arrays)
    return model


def rebuilt(model: nn.Module, arrays: dict) -> nn.Module:
    """The same network with tensors of other sizes put into its layers, as if it had been defined wider."""
    for name, array in arrays.items():
        module_name, _, local = name.rpartition(".")
        module, tensor = model.get_submodule(module_name), torch.tensor(array)
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.groups = len(array)
        setattr(module, local, nn.Parameter(tensor) if local in dict(module.named_parameters()) else tensor)
    return model


class TestNet2Net:
    @pytest.mark.parametrize("training", [False, True])
    @pytest.mark.parametrize(("narrow", "wide", "shape"), WIDENINGS)
    def test_a_wider_member_computes_the_same(self, narrow, wide, shape, training):
        source, target = architecture(narrow, shape, 5), architecture(wide, shape, 5)
        arrays, masks = carried(source, {spec.name: spec.shape for spec in target.tensors})
        assert not any(arrays[name][~mask].any() for name, mask in masks.items())
        before = logits(loaded(source, sparse_state(source)[0]), shape, training=training)
        after = logits(loaded(target, arrays), shape, training=training)
        assert before.std() > 1e-3
        torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5 * before.abs().max().item())

    @pytest.mark.parametrize(("name", "shape"), ONE_WIDTH)
    def test_so_does_a_network_that_has_one_width_only_made_wider_by_half(self, name, shape):
        network = architecture(name, shape, 5)
        sizes = group_sizes(
            {spec.name: spec.shape for spec in network.tensors},
            {spec.name: spec.axes for spec in network.tensors},
        )
        assert sizes
        shapes = {
            spec.name: tuple(
                size * 3 // 2 if group else size for size, group in zip(spec.shape, spec.axes, strict=True)
            )
            for spec in network.tensors
        }
        arrays, _ = carried(network, shapes)
        narrow = loaded(network, sparse_state(network)[0])
        before = logits(narrow, shape)
        after = logits(rebuilt(narrow, arrays), shape)
        assert before.std() > 1e-3
        torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5 * before.abs().max().item())


class TestNarrower:
    @pytest.mark.parametrize(("narrow", "wide", "shape"), WIDENINGS)
    def test_a_narrower_member_takes_the_state(self, narrow, wide, shape):
        source, target = architecture(wide, shape, 5), architecture(narrow, shape, 5)
        arrays, masks = carried(source, {spec.name: spec.shape for spec in target.tensors})
        assert {name: mask.shape for name, mask in masks.items()} == {
            spec.name: spec.shape for spec in target.prunable
        }
        assert logits(loaded(target, arrays), shape).isfinite().all()
