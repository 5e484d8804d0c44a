from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import FAMILIES, architecture
from core.families.architecture import Architecture, Role
from core.families.initialisation import initialise
from core.models import NoNetwork, build
from core.models.state import load_state

TORCH_TYPE = {"F32": torch.float32, "I64": torch.int64}
PARAMETERS = {Role.WEIGHT, Role.BIAS, Role.SCALE, Role.SHIFT}

names = st.one_of(
    st.builds(lambda n, w, v: f"mlp_{n}_{w}_{v}", st.integers(1, 6), st.integers(1, 40), st.integers(1, 40)),
    st.just("lenet5"),
    st.builds(lambda n, w: f"cifar_resnet_{6 * n + 2}_{w}", st.integers(1, 4), st.integers(1, 20)),
    st.builds(
        lambda d, w, k: f"cifar_vgg_{d}_{w}_fc{k}",
        st.sampled_from([11, 13, 16, 19]),
        st.integers(1, 6),
        st.integers(1, 4),
    ),
    st.builds(lambda d, w: f"cifarhe_resnet_{d}_{w}", st.sampled_from([18, 26, 34, 50]), st.integers(1, 6)),
    st.builds(lambda d, w: f"imagenet_resnet_{d}_{w}", st.sampled_from([18, 26, 34, 50]), st.integers(1, 6)),
)
sides = st.integers(1, 13)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    name, channels = draw(names), draw(st.integers(1, 5))
    height, width = (32, 32) if "vgg" in name else (draw(sides), draw(sides))
    return architecture(name, (channels, height, width), draw(st.integers(1, 30)))


# Trainable parameters, of which lenet5 has no biases; ImageNet's 26 is summed by hand below.
PUBLISHED = {
    "lenet5": 61_470,
    "cifar_resnet_20": 272_474,
    "cifar_resnet_32": 466_906,
    "cifar_resnet_44": 661_338,
    "cifar_resnet_56": 855_770,
    "cifar_resnet_110": 1_730_714,
    "cifar_vgg_11": 9_231_114,
    "cifar_vgg_13": 9_416_010,
    "cifar_vgg_16": 14_728_266,
    "cifar_vgg_19": 20_040_522,
    "cifar_mobilenetv1_5": 3_217_226,
    "imagenet_resnet_18": 11_689_512,
    "imagenet_resnet_26": 19_066_920,
    "imagenet_resnet_34": 21_797_672,
    "imagenet_resnet_50": 25_557_032,
    "imagenet_resnet_101": 44_549_160,
    "imagenet_resnet_152": 60_192_808,
    "cifarhe_resnet_18": 11_173_962,
    "cifarhe_resnet_34": 21_282_122,
    "cifarhe_resnet_50": 23_520_842,
}


def at_its_usual_input(name: str) -> Architecture:
    if name.startswith("imagenet"):
        return architecture(name, (3, 224, 224), 1000)
    return architecture(name, (1, 28, 28) if name == "lenet5" else (3, 32, 32), 10)


class TestPublishedCounts:
    @pytest.mark.parametrize(("name", "published"), PUBLISHED.items())
    def test_network_and_family_have_as_many_trainable_parameters(self, name, published):
        network = at_its_usual_input(name)
        with torch.device("meta"):
            model = build(network)
        assert sum(p.numel() for p in model.parameters()) == published
        assert sum(spec.size for spec in network.tensors if spec.role in PARAMETERS) == published

    def test_resnet_26_is_resnet_34_without_four_blocks(self):
        # A block has two 3×3 convolutions and two BN of its stage's channels; 34 has one more in stages 1 and 2
        # and two more in stage 3.
        blocks = [2 * 9 * c * c + 4 * c for c in (64, 128, 256, 256)]
        assert PUBLISHED["imagenet_resnet_26"] == PUBLISHED["imagenet_resnet_34"] - sum(blocks)


class TestFamilyAndModel:
    @settings(max_examples=50, deadline=None)
    @given(architectures())
    def test_name_shape_type_and_order_agree(self, network):
        with torch.device("meta"):
            tensors = build(network).state_dict()
        assert [(n, tuple(t.shape), t.dtype) for n, t in tensors.items()] == [
            (spec.name, spec.shape, TORCH_TYPE[spec.dtype]) for spec in network.tensors
        ]

    @pytest.mark.parametrize("name", [example for family in FAMILIES.values() for example in family.examples])
    def test_examples_agree(self, name):
        network = architecture(name, (3, 32, 32), 10)
        with torch.device("meta"):
            model = build(network)
        tensors = model.state_dict()
        assert [(n, tuple(t.shape)) for n, t in tensors.items()] == [
            (spec.name, spec.shape) for spec in network.tensors
        ]
        weights = [
            f"{module_name}.weight"
            for module_name, module in model.named_modules()
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
        ]
        assert [spec.name for spec in network.prunable] == weights

    def test_a_network_of_no_family_is_refused(self):
        posted = dataclasses.replace(architecture("mlp_1", (1, 8, 8), 10), name="ours", family="posted")
        with pytest.raises(NoNetwork, match=r"ours: there is no network of the family 'posted'.*mlp, "):
            build(posted)


class TestForward:
    @settings(max_examples=25, deadline=None)
    @given(architectures(), st.integers(1, 3))
    def test_logits_have_one_row_per_image(self, network, batch):
        model = build(network).eval()
        load_state(model, initialise(network, 0))
        logits = model(torch.ones(batch, *network.input))
        assert logits.shape == (batch, network.classes)
        assert logits.isfinite().all()

    def test_mobilenet_takes_any_size(self):
        network = architecture("cifar_mobilenetv1_1", (2, 1, 5), 3)
        assert build(network).eval()(torch.ones(2, 2, 1, 5)).shape == (2, 3)


# Every group of a small network, written out from the wiring.
GROUPS = {
    "mlp_2_12_8": {"fc_layers.0": 12, "fc_layers.1": 12, "fc_layers.2": 8},
    "lenet5": {"conv1": 6, "conv2": 16, "conv3": 120, "fc1": 84},
    "cifar_resnet_14_4": {
        "stage1": 4,
        "stage2": 8,
        "stage3": 16,
        **{f"blocks.{i}.conv1": 4 * 2 ** (i // 2) for i in range(6)},
    },
    "cifar_vgg_11_4_fc2": {
        **{
            f"layers.{i}": c
            for i, c in zip((0, 2, 4, 5, 7, 8, 10, 11), (4, 8, 16, 16, *[32] * 4), strict=True)
        },
        "classifier.0": 32,
    },
    "cifar_mobilenetv1_1": {
        "conv": 32,
        **{f"layers_part1.{i}": c for i, c in enumerate((64, 128, 128, 256, 256, 512))},
        "layers_part2.0": 512,
        "layers_part3.0": 1024,
        "layers_part3.1": 1024,
    },
    "imagenet_resnet_18_4": {
        **{f"layer{s}": 2 * 2**s for s in (1, 2, 3, 4)},
        **{f"layer{s}.{i}.conv1": 2 * 2**s for s in (1, 2, 3, 4) for i in (0, 1)},
    },
    "cifarhe_resnet_50_2": {
        "stem": 2,
        **{f"layer{s}": 4 * 2**s for s in (1, 2, 3, 4)},
        **{
            f"layer{s}.{i}.conv{k}": 2**s
            for s, count in enumerate((3, 4, 6, 3), 1)
            for i in range(count)
            for k in (1, 2)
        },
    },
}


class TestAxes:
    @pytest.mark.parametrize(("name", "groups"), GROUPS.items())
    def test_there_is_a_group_for_each_set_of_wired_channels(self, name, groups):
        found: dict[str, set[int]] = {}
        for spec in architecture(name, (3, 32, 32), 10).tensors:
            assert len(spec.axes) == len(spec.shape)
            for group, size in zip(spec.axes, spec.shape, strict=True):
                found.setdefault(group, set()).add(size)
        del found[""]
        assert found == {group: {size} for group, size in groups.items()}

    @pytest.mark.parametrize("name", GROUPS)
    def test_renumbering_the_channels_of_each_group_changes_no_logit(self, name, loaded, images):
        side = 32 if "vgg" in name else 9
        network, x = architecture(name, (3, side, side), 10), images(2, 3, side, side)
        model = loaded(name, (3, side, side), 10)
        with torch.no_grad():
            before = model(x)
            generator = torch.Generator().manual_seed(1)
            order = {g: torch.randperm(n, generator=generator) for g, n in GROUPS[name].items()}
            state = model.state_dict()
            for spec in network.tensors:
                for dimension, group in enumerate(spec.axes):
                    if group:
                        state[spec.name] = state[spec.name].index_select(dimension, order[group])
            model.load_state_dict(state)
            torch.testing.assert_close(model(x), before)
