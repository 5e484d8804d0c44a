from __future__ import annotations

import pytest

from core.families import FAMILIES, UnknownArchitecture, architecture


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
        ],
    )
    def test_the_canonical_name(self, name, canonical):
        result = architecture(name, [3, 8, 8], 10)
        assert result.name == canonical
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
                "mlp_2_300",
                "\0",
            ),
            *(
                "cifar_resnet",
                "cifar_resnet_20_",
                "cifar_resnet_020",
                "cifar_resnet_20_16_1",
                "xcifar_resnet_20",
            ),
            pytest.param("x" * 65, id="65 characters"),
            pytest.param("mlp_" + "9" * 1_000_000, id="a million digits"),
        ],
    )
    def test_an_unknown_name_is_answered_with_the_accepted_patterns(self, name):
        with pytest.raises(UnknownArchitecture, match=r"mlp_N .*cifar_resnet_D\[_W\]") as refusal:
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
        ("name", "shape"), [("mlp_1", [4096, 4096, 4096]), ("cifar_resnet_1202_1024", [3, 32, 32])]
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
