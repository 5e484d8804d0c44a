"""Whether a network is a member of a posted family."""

import dataclasses

import pytest

from core.families import architecture
from core.families.architecture import Role
from core.families.definition import Definition
from core.families.likeness import Forms, as_member, member_like
from core.families.posted import posted_architecture

DEFINITION = Definition.model_validate(
    {
        "name": "tower",
        "stages": [{"name": "blocks", "pattern": "blocks.{unit}."}],
        "prunable": ["*.weight"],
        "tensors": {
            "table": {"shape": [3], "dtype": "I64"},
            "blocks.0.fc.weight": [4, 4],
            "blocks.0.bn.num_batches_tracked": {"shape": [], "dtype": "I64"},
        },
    }
)


def tower(units: int) -> dict[str, tuple[tuple[int, ...], str]]:
    tensors: dict[str, tuple[tuple[int, ...], str]] = {"table": ((3,), "I64")}
    for i in range(units):
        tensors[f"blocks.{i}.fc.weight"] = ((4, 4), "F32")
        tensors[f"blocks.{i}.bn.num_batches_tracked"] = ((), "I64")
    return tensors


class TestMemberLike:
    @pytest.mark.parametrize("units", [1, 2, 12])
    def test_units_are_counted_from_the_names(self, units: int) -> None:
        found = member_like(DEFINITION, tower(units))
        assert found is not None
        assert found.name == f"tower:{units}"

    def test_missing_counters_are_forgiven_and_other_integers_are_not(self) -> None:
        without = {name: form for name, form in tower(2).items() if "num_batches" not in name}
        assert member_like(DEFINITION, without) is not None
        without.pop("table")
        assert member_like(DEFINITION, without) is None

    @pytest.mark.parametrize(
        "change",
        [
            {"blocks.1.fc.weight": ((4, 5), "F32")},
            {"table": ((3,), "F32")},
            {"more": ((1,), "F32")},
            {"blocks.5.fc.weight": ((4, 4), "F32")},
        ],
    )
    def test_another_shape_type_or_name_is_another_network(self, change: Forms) -> None:
        assert member_like(DEFINITION, {**tower(2), **change}) is None

    def test_stages_that_share_a_numbering_are_recognised_as_the_example_only(self) -> None:
        network = architecture("cifar_resnet_20_4", (3, 32, 32), 10)
        forms = {spec.name: (spec.shape, spec.dtype) for spec in network.tensors}
        definition = Definition.model_validate(
            {
                "name": "mine",
                "stages": [
                    {"name": f"s{i}", "pattern": "blocks.{unit}.", "fixed": [0], "units": [3 * i, 3 * i + 2]}
                    for i in range(3)
                ],
                "prunable": ["*conv*.weight", "*shortcut.0.weight", "fc.weight"],
                "tensors": {name: {"shape": list(s), "dtype": d} for name, (s, d) in forms.items()},
            }
        )
        found = member_like(definition, forms)
        assert found is not None
        assert found.name == "mine:3-3-3"
        larger = architecture("cifar_resnet_26_4", (3, 32, 32), 10)
        other = {spec.name: (spec.shape, spec.dtype) for spec in larger.tensors}
        assert member_like(definition, other) is None

    def test_an_integer_that_is_no_counter_is_an_index(self) -> None:
        found = member_like(DEFINITION, tower(1))
        assert found is not None
        assert found.specs["table"].role is Role.INDEX
        assert found.specs["blocks.0.bn.num_batches_tracked"].role is Role.COUNT


class TestAsMember:
    TARGET = posted_architecture(DEFINITION, [3])

    def test_a_member_of_the_family_is_itself(self) -> None:
        source = posted_architecture(DEFINITION, [2])
        assert as_member(source, self.TARGET) is source

    def test_a_network_of_another_name_with_its_tensors_is_the_member_of_its_depth(self) -> None:
        other = Definition.model_validate(DEFINITION.model_dump(mode="json") | {"name": "castle"})
        found = as_member(posted_architecture(other, [2]), self.TARGET)
        assert found == posted_architecture(DEFINITION, [2])

    def test_a_network_with_another_tensor_is_none(self) -> None:
        source = posted_architecture(DEFINITION, [2])
        changed = dataclasses.replace(source, family="castle", tensors=source.tensors[1:])
        assert as_member(changed, self.TARGET) is None

    def test_a_built_in_family_recognises_no_other(self) -> None:
        assert as_member(posted_architecture(DEFINITION, [2]), architecture("mlp_2", (1, 8, 8), 10)) is None
