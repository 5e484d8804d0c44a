from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import FAMILIES, Shapes, UnknownArchitecture, architecture, member, recognise
from core.families.architecture import Architecture

EXAMPLES = [name for family in FAMILIES.values() for name in family.examples]
MEMBERS = [
    *EXAMPLES,
    "mlp_1",
    "mlp_3_40",
    "mlp_3_40_20",
    "cifar_resnet_8",
    "cifar_resnet_56_4",
    "cifar_vgg_11_fc2",
    "cifar_vgg_19_8",
    "cifar_vgg_16_8_fc7",
    "cifar_mobilenetv1_1",
    "imagenet_resnet_50_16",
    "imagenet_resnet_101",
    "imagenet_resnet_152",
    "cifarhe_resnet_26",
    "cifarhe_resnet_50_8",
]


def shapes_of(network: Architecture) -> dict[str, tuple[int, ...]]:
    return {spec.name: spec.shape for spec in network.tensors}


def without_counters(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in shapes.items() if not name.endswith("num_batches_tracked")}


class TestNames:
    @pytest.mark.parametrize(
        ("name", "canonical"),
        [
            ("mlp_1", "mlp_1"),
            ("lenet_300_100", "mlp_1"),
            ("mlp_1000", "mlp_1000"),
            ("cifar_resnet_8", "cifar_resnet_8"),
            ("cifar_resnet_20_16", "cifar_resnet_20"),
            ("cifar_resnet_20_32", "cifar_resnet_20_32"),
            ("cifar_resnet_1202_1", "cifar_resnet_1202_1"),
            ("lenet5", "lenet5"),
            ("cifar_vgg_16_64", "cifar_vgg_16"),
            ("cifar_vgg_16_fc1", "cifar_vgg_16"),
            ("cifar_vgg_16_64_fc2", "cifar_vgg_16_fc2"),
            ("cifar_vgg_16_32_fc2", "cifar_vgg_16_32_fc2"),
            ("cifar_mobilenetv1", "cifar_mobilenetv1_5"),
            ("cifar_mobilenetv1_7", "cifar_mobilenetv1_7"),
            ("imagenet_resnet_26_64", "imagenet_resnet_26"),
            ("cifarhe_resnet_50_32", "cifarhe_resnet_50_32"),
        ],
    )
    def test_the_canonical_name(self, name, canonical):
        result = architecture(name, [3, 32, 32], 10)
        assert result.name == member(name).name == canonical
        assert FAMILIES[result.family].parse(result.name).name == canonical

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "",
                "mlp",
                "mlp_",
                "mlp_02",
                "mlp_-1",
                "mlp_2 ",
                "mlp_2\n",
                "MLP_2",
                "mlp_٣",
                "mlp_2_300_100_10",
                "\0",
            ),
            *(
                "cifar_resnet",
                "cifar_resnet_20_",
                "cifar_resnet_020",
                "cifar_resnet_20_16_1",
                "xcifar_resnet_20",
            ),
            *("lenet", "lenet_300", "lenet5_6", "cifar_vgg", "cifar_vgg_16_fc", "cifar_vgg_fc2_16"),
            *(
                "cifar_mobilenetv1_5_32",
                "cifar_mobilenetv2",
                "imagenet_resnet_018",
                "cifarhe_resnet_18_64_fc2",
            ),
            pytest.param("x" * 65, id="65 characters"),
            pytest.param("mlp_" + "9" * 1_000_000, id="a million digits"),
        ],
    )
    def test_an_unknown_name_is_answered_with_the_accepted_patterns(self, name):
        with pytest.raises(UnknownArchitecture, match=r"mlp_N.*cifar_resnet_D\[_W\].*cifarhe") as refusal:
            architecture(name, [3, 8, 8], 10)
        assert len(str(refusal.value)) < 500

    @pytest.mark.parametrize(
        ("name", "accepted"),
        [
            ("mlp_0", "N from 1 to 1000"),
            ("mlp_1001", "N from 1 to 1000"),
            ("mlp_" + "9" * 60, "N from 1 to 1000"),
            ("cifar_resnet_2", "6n \\+ 2 from 8 to 1202"),
            ("cifar_resnet_21", "6n \\+ 2 from 8 to 1202"),
            ("cifar_resnet_1208", "6n \\+ 2 from 8 to 1202"),
            ("cifar_resnet_99999998", "6n \\+ 2 from 8 to 1202"),
            ("cifar_resnet_20_0", "W from 1 to 1024"),
            ("cifar_resnet_20_1000000000", "W from 1 to 1024"),
            ("mlp_2_0", "W and V from 1 to 16384"),
            ("mlp_2_300_16385", "W and V from 1 to 16384"),
            ("lenet_0_100", "W and V from 1 to 16384"),
            ("cifar_vgg_12", "D one of 11, 13, 16, 19"),
            ("cifar_vgg_11_0", "W from 1 to 1024"),
            ("cifar_vgg_11_fc0", "K from 1 to 100"),
            ("cifar_vgg_11_fc101", "K from 1 to 100"),
            ("cifar_mobilenetv1_0", "N from 1 to 1000"),
            ("cifar_mobilenetv1_1001", "N from 1 to 1000"),
            ("imagenet_resnet_20", "D one of 18, 26, 34, 50, 101, 152"),
            ("imagenet_resnet_18_1025", "W from 1 to 1024"),
            ("cifarhe_resnet_101", "D one of 18, 26, 34, 50"),
        ],
    )
    def test_numbers_out_of_limits_are_answered_with_the_limits(self, name, accepted):
        with pytest.raises(UnknownArchitecture, match=accepted):
            architecture(name, [3, 8, 8], 10)

    @pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
    def test_examples_are_canonical_members(self, family):
        for name in family.examples:
            result = architecture(name, [3, 32, 32], 10)
            assert (result.name, result.family) == (name, family.name)


class TestSizes:
    @pytest.mark.parametrize(
        "shape", [[], [3, 8], [3, 8, 8, 8], [0, 8, 8], [3, -8, 8], [3, 8, 4097], [3, 8.0, 8], [True, 8, 8]]
    )
    def test_the_input_is_three_bounded_whole_numbers(self, shape):
        with pytest.raises(UnknownArchitecture, match=r"\[C, H, W\], each a whole number from 1 to 4096"):
            architecture("mlp_2", shape, 10)

    @pytest.mark.parametrize("classes", [0, -1, 100_001, 10.0, True])
    def test_classes_are_a_bounded_whole_number(self, classes):
        with pytest.raises(UnknownArchitecture, match="classes must be a whole number from 1 to 100000"):
            architecture("cifar_resnet_20", [3, 8, 8], classes)

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("mlp_1", [4096, 4096, 4096]),
            ("cifar_resnet_1202_1024", [3, 32, 32]),
            ("cifar_vgg_11_1024", [3, 32, 32]),
        ],
    )
    def test_a_network_too_large_to_hold_is_refused(self, name, shape):
        with pytest.raises(UnknownArchitecture, match="values; at most 500000000"):
            architecture(name, shape, 10)

    def test_the_smallest_and_the_largest_sides_will_do(self):
        assert architecture("mlp_1", [1, 1, 1], 1).input == (1, 1, 1)
        assert architecture("cifar_resnet_8", [4096, 4096, 4096], 100_000).classes == 100_000


class TestIdentity:
    def test_one_object_for_one_architecture(self):
        assert architecture("lenet_300_100", [1, 8, 8], 10) is architecture("mlp_1", (1, 8, 8), 10)


class TestTensors:
    @pytest.mark.parametrize("name", MEMBERS)
    def test_every_tensor_stands_in_one_place(self, name):
        network = architecture(name, [3, 32, 32], 10)
        placed = list(network.anatomy.fixed) + [
            tensor for s in network.anatomy.stages for entry in s.entries for tensor in entry.tensors.values()
        ]
        assert sorted(placed) == sorted(network.specs)
        assert len(network.specs) == len(network.tensors)

    @pytest.mark.parametrize("name", MEMBERS)
    def test_units_of_a_stage_have_the_same_tensors_and_shapes(self, name):
        network = architecture(name, [3, 32, 32], 10)
        for stage in network.anatomy.stages:
            shapes = [
                {local: network.specs[tensor].shape for local, tensor in stage.entries[i].tensors.items()}
                for i in stage.units
            ]
            assert all(shape == shapes[0] for shape in shapes)

    @pytest.mark.parametrize("name", MEMBERS)
    def test_stem_and_head_hold_what_follows_input_and_classes(self, name):
        network, other = (architecture(name, [c, 32, 32], n) for c, n in ((3, 10), (2, 11)))
        assert all(spec.role.value == "weight" for spec in network.prunable)
        changed = {spec.name for spec in network.tensors if other.specs[spec.name].shape != spec.shape}
        assert changed <= network.stem | network.head
        assert changed & network.stem
        assert changed & network.head
        assert not network.stem & network.head


class TestWithWidthOf:
    @pytest.mark.parametrize("name", MEMBERS)
    def test_its_own_width_is_itself(self, name):
        assert member(name).with_width_of(member(name)) == member(name)

    @pytest.mark.parametrize("a", FAMILIES)
    @pytest.mark.parametrize("b", FAMILIES)
    def test_another_family_has_no_width_to_give(self, a, b):
        narrow, wide = (member(FAMILIES[family].examples[0]) for family in (a, b))
        if a == b:
            assert narrow.with_width_of(wide) == narrow
        else:
            with pytest.raises(
                UnknownArchitecture, match=f"{narrow.name} cannot take the width of {wide.name}"
            ):
                narrow.with_width_of(wide)

    @pytest.mark.parametrize(
        ("narrow", "wide"),
        [
            ("mlp_2_12_8", "mlp_2_15_9"),
            ("cifar_resnet_14_4", "cifar_resnet_14_6"),
            ("cifar_vgg_13_4_fc3", "cifar_vgg_13_6_fc3"),
            ("imagenet_resnet_18_8", "imagenet_resnet_18_12"),
            ("cifarhe_resnet_50_4", "cifarhe_resnet_50_8"),
        ],
    )
    def test_grouped_dimensions_and_no_others_follow_the_width(self, narrow, wide):
        pairs = zip(*(architecture(name, [3, 32, 32], 10).tensors for name in (narrow, wide)), strict=True)
        for old, new in pairs:
            assert (old.name, old.role, old.axes) == (new.name, new.role, new.axes)
            assert [bool(group) for group in old.axes] == [
                a != b for a, b in zip(old.shape, new.shape, strict=True)
            ]


class TestRecognise:
    @pytest.mark.parametrize("name", MEMBERS)
    def test_every_member_from_its_shapes(self, name):
        side = 224 if name.startswith("imagenet") else 32
        network = architecture(name, [3, side, side], 10)
        assert recognise(shapes_of(network)) is network

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_the_sizes_that_shapes_tell_and_the_input_that_is_given(self, data):
        name = data.draw(st.sampled_from(MEMBERS))
        channels, classes = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 200))
        side = 32 if "vgg" in name else data.draw(st.integers(1, 32))
        network = architecture(name, [channels, side, side], classes)
        shapes = shapes_of(network)
        assert recognise(shapes, [channels, side, side]) is network
        assert recognise(dict(sorted(shapes.items())), [channels, side, side]) is network
        assert recognise(shapes, [channels + 1, side, side]) is None

    @pytest.mark.parametrize("name", ["cifar_resnet_20", "cifar_vgg_13_8", "cifarhe_resnet_18_4"])
    def test_counters_may_be_missing(self, name):
        network = architecture(name, [3, 32, 32], 10)
        assert recognise(without_counters(shapes_of(network))) is network

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_a_near_miss_is_nothing(self, data):
        shapes = shapes_of(architecture(data.draw(st.sampled_from(MEMBERS)), [3, 32, 32], 10))
        name = data.draw(st.sampled_from(sorted(without_counters(shapes))))
        shape = shapes.pop(name)
        dimension = data.draw(st.integers(0, len(shape) - 1))
        change = data.draw(st.sampled_from(["missing", "renamed", "larger", "transposed", "flat", "extra"]))
        match change:
            case "renamed":
                shapes[f"{name}_"] = shape
            case "larger":
                shapes[name] = (*shape[:dimension], shape[dimension] + 1, *shape[dimension + 1 :])
            case "transposed":
                shapes[name] = (*shape[1:], shape[0], 1)
            case "flat":
                shapes[name] = ()
            case "extra":
                shapes |= {name: shape, f"{name}.more": shape}
        found = recognise(shapes)
        # One more channel in the stem, or one more class without a bias, is another architecture of that member.
        assert found is None or (change == "larger" and shapes_of(found) == shapes)

    @pytest.mark.parametrize("name", ["imagenet_resnet_18", "cifarhe_resnet_18"])
    def test_the_stem_tells_large_images_from_small(self, name):
        shapes = shapes_of(architecture(name, [3, 32, 32], 10))
        assert recognise(shapes).name == name
        shapes["conv1.weight"] = (64, 3, 5, 5)
        assert recognise(shapes) is None

    def test_depths_outside_a_family_are_nothing(self):
        shapes = shapes_of(architecture("imagenet_resnet_101", [3, 32, 32], 10))
        shapes["conv1.weight"] = (64, 3, 3, 3)
        assert recognise(shapes) is None

    @pytest.mark.parametrize("size", [-1, 0, 10**9, pytest.param(10**5000, id="5,000 digits")])
    @pytest.mark.parametrize("name", EXAMPLES)
    def test_absurd_sizes_are_nothing(self, name, size):
        shapes = shapes_of(architecture(name, [3, 32, 32], 10))
        for tensor in list(shapes)[:1] + list(shapes)[-1:]:
            absurd = shapes | {tensor: tuple(size for _ in shapes[tensor])}
            assert recognise(absurd) is None

    @settings(max_examples=100, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(
                [
                    *("conv.weight", "conv1.weight", "fc.weight", "fc2.weight", "fc_layers.0.weight"),
                    *("layers.0.conv.weight", "layer1.0.conv1.weight", "layers_part2.0.conv1.weight"),
                    *("blocks.0.conv1.weight", "classifier.0.weight", "weight", ""),
                ]
            ),
            st.lists(st.integers(-2, 2**70), max_size=5).map(tuple),
        ),
        st.none() | st.lists(st.integers(-2, 2**70), max_size=4),
    )
    def test_shapes_that_make_no_sense_are_nothing(self, shapes, given_input):
        assert recognise(shapes, given_input) is None

    def test_an_unusable_input_is_nothing(self):
        shapes = shapes_of(architecture("cifar_vgg_11_2", [3, 32, 32], 10))
        assert recognise(shapes, [3, 32, 31]) is None
        assert recognise(shapes, []) is None
