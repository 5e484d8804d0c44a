import pytest

from core.elastic.refusal import Reason, Refused
from core.families import UnknownArchitecture, architecture
from core.jobs.specs import TransformSpec
from core.jobs.transforms import Plan, plan

TICKET = "ab" * 32


def planned(source: str, target: str, classes: int = 10, **options: object) -> Plan:
    spec = TransformSpec.model_validate({"tickets": [TICKET], "architecture": target, **options})
    return plan(spec, architecture(source, (1, 8, 8), classes))


class TestOrder:
    @pytest.mark.parametrize(
        ("source", "target", "expected"),
        [
            ("mlp_3", "mlp_6", ((0, 1, 2, 1, 2, 1, 3),)),
            ("mlp_4", "mlp_2", ((0, 1, 4),)),
            ("mlp_3", "mlp_3", ((0, 1, 2, 3),)),
        ],
    )
    def test_by_default_stretches_append_and_squeezes_drop_last(
        self, source: str, target: str, expected: tuple[tuple[int, ...], ...]
    ) -> None:
        assert planned(source, target).unit_map == expected

    def test_an_explicit_map_is_taken_as_written(self) -> None:
        assert planned("mlp_3", "mlp_4", unit_map="0:0;2:1,2;1:3;3:4").unit_map == ((0, 2, 2, 1, 3),)


class TestFamily:
    def test_another_family_is_refused_by_name(self) -> None:
        with pytest.raises(Refused, match="cifar_resnet_20 of cifar_resnet") as refused:
            planned("mlp_2", "cifar_resnet_20")
        assert refused.value.reason is Reason.STAGES_DIFFER

    def test_an_unknown_target_is_refused(self) -> None:
        with pytest.raises(UnknownArchitecture, match="mlp_N"):
            planned("mlp_2", "mlp_two")


class TestRefit:
    def test_the_same_shapes_are_all_copied(self) -> None:
        assert planned("mlp_2", "mlp_3", dataset="digits").fresh == frozenset()

    def test_other_classes_make_a_fresh_head(self) -> None:
        assert planned("mlp_2", "mlp_3", classes=7, dataset="digits").fresh == {"fc.weight", "fc.bias"}

    def test_a_head_that_must_be_copied_but_cannot_is_refused(self) -> None:
        with pytest.raises(Refused, match=r"fc\..*with head: fresh") as refused:
            planned("mlp_2", "mlp_3", classes=7, dataset="digits", head="copy")
        assert refused.value.reason is Reason.SHAPES_DIFFER

    def test_a_fresh_head_may_be_asked_for_where_it_would_fit(self) -> None:
        assert planned("mlp_2", "mlp_3", head="fresh").fresh == {"fc.weight", "fc.bias"}

    def test_a_stem_that_does_not_fit_the_input_is_refused_unless_fresh(self) -> None:
        with pytest.raises(Refused, match=r"fc_layers\.0\.weight.*with stem: fresh"):
            planned("mlp_2", "mlp_3", dataset="mnist")
        assert planned("mlp_2", "mlp_3", dataset="mnist", stem="fresh").fresh == {
            "fc_layers.0.weight",
            "fc_layers.0.bias",
        }

    def test_another_width_is_refused_with_both_shapes(self) -> None:
        spec = TransformSpec(tickets=[TICKET], architecture="cifar_resnet_20_32")
        with pytest.raises(Refused, match=r"\[16, 3, 3, 3\].*\[32, 3, 3, 3\]"):
            plan(spec, architecture("cifar_resnet_20", (3, 32, 32), 10))
