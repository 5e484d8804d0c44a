from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.jobs.methods import DynamicParameters, ImpParameters, RandomParameters
from core.jobs.recipes import PRESETS
from core.jobs.specs import EvaluateSpec, FindSpec, JobSpec, TrainSpec, TransformSpec, parse_spec

TICKET = "ab" * 32
SPECS: list[JobSpec] = [
    FindSpec(architecture="mlp_2", dataset="digits").complete("mlp"),
    FindSpec(
        architecture="mlp_2", dataset="digits", method="random", parameters=RandomParameters(survivors=7)
    ).complete("mlp"),
    TransformSpec(tickets=[TICKET], architecture="mlp_3", order="interpolate"),
    TransformSpec(tickets=[TICKET], architecture="mlp_3", unit_map="0:0;1:1,2;2:3"),
    TrainSpec(tickets=[TICKET], dataset="digits", order_seeds=[1, 2]).complete("mlp"),
    TrainSpec(architecture="mlp_2", dataset="digits", seeds=[0, 1, 2], exact=True).complete("mlp"),
    TrainSpec(
        architecture="mlp_2",
        dataset="digits",
        sparsity_schedule=DynamicParameters(method="set", sparsity=0.9, multiplier=5),
    ).complete("mlp"),
    EvaluateSpec(job="ab" * 16, dataset="digits"),
]


class TestStoredSpec:
    @pytest.mark.parametrize("spec", SPECS)
    def test_reads_back_to_the_same_spec(self, spec: JobSpec) -> None:
        assert parse_spec(spec.model_dump(mode="json")) == spec

    def test_states_every_field_of_its_recipe(self) -> None:
        stored = TrainSpec(architecture="mlp_2", dataset="digits").complete("mlp").model_dump(mode="json")
        recipe = stored["recipe"]
        assert recipe.pop("preset") is None
        assert None not in recipe.values()
        assert recipe == PRESETS["mlp"].model_dump(mode="json")

    @pytest.mark.parametrize("preset", ["mlp", "cifar_resnet"])
    def test_one_from_before_recipes_had_a_choice_of_optimizer_means_what_it_meant(self, preset: str) -> None:
        spec = FindSpec(architecture="mlp_2", dataset="digits").complete(preset)
        stored = spec.model_dump(mode="json")
        for later in ("nesterov", "decay", "label_smoothing", "optimizer", "schedule"):
            del stored["recipe"][later]
        found = parse_spec(stored)
        assert isinstance(found, FindSpec)
        assert found.full_recipe == spec.full_recipe == PRESETS[preset]

    def test_a_lenet5_of_before_keeps_its_sgd(self) -> None:
        recipe = {
            "preset": None,
            "length": "20ep",
            "batch": 128,
            "lr": 0.05,
            "momentum": 0.9,
            "weight_decay": 0,
        }
        stored = {"kind": "train", "architecture": "lenet5", "dataset": "digits", "recipe": recipe}
        found = parse_spec(stored)
        assert isinstance(found, TrainSpec)
        assert (found.full_recipe.optimizer, found.full_recipe.lr) == ("sgd", 0.05)

    def test_keeps_the_methods_parameters(self) -> None:
        stored = FindSpec(architecture="mlp_2", dataset="digits", parameters=ImpParameters(level=3))
        assert stored.model_dump(mode="json")["parameters"] == {
            "level": 3,
            "fraction": 0.2,
            "scope": "global",
            "rewind": "point",
        }


class TestFindSpec:
    def test_writes_out_the_methods_defaults(self) -> None:
        assert FindSpec(architecture="mlp_2", dataset="digits").parameters == ImpParameters(
            level=10, fraction=0.2
        )

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"method": "magic"}, "accepted: imp, one_shot_magnitude, random, snip"),
            ({"method": "random"}, "give one of survivors, sparsity, or a pattern N:M"),
            ({"method": "rigl"}, "POST /train with sparsity_schedule"),
            ({"parameters": {"level": 0}}, "greater than or equal to 1"),
            ({"parameters": {"survivors": 5}}, "Extra inputs are not permitted"),
            ({"architecture": "resnet_9000"}, "mlp_N"),
            ({"dataset": "places365"}, "accepted: digits"),
            ({"seeds": [0, 0]}, "once"),
            ({"seeds": []}, "at least 1"),
            ({"seeds": [-1]}, "greater than or equal to 0"),
            ({"unknown": 1}, "Extra inputs are not permitted"),
        ],
    )
    def test_says_what_would_be_accepted(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            FindSpec.model_validate({"architecture": "mlp_2", "dataset": "digits", **given})


class TestTrainSpec:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, "either tickets or architecture"),
            ({"tickets": [TICKET], "architecture": "mlp_2"}, "either tickets or architecture"),
            ({"tickets": [TICKET], "seeds": [1, 2]}, "1 tickets need 1 seeds, not 2"),
            ({"tickets": ["AB" * 32]}, "pattern"),
            ({"tickets": [TICKET], "sparsity_schedule": {"sparsity": 0.9}}, "give sparsity_schedule with"),
            ({"architecture": "mlp_2", "sparsity_schedule": {}}, "either survivors or sparsity"),
            ({"architecture": "mlp_2", "sparsity_schedule": {"sparsity": 0.9, "method": "imp"}}, "rigl"),
        ],
    )
    def test_refuses(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            TrainSpec.model_validate({"dataset": "digits", **given})

    def test_a_sparsity_schedule_makes_the_recipe_longer_and_leaves_the_stored_one_as_it_was(self) -> None:
        schedule = DynamicParameters(sparsity=0.9, multiplier=5)
        spec = TrainSpec(architecture="cifar_resnet_20", dataset="cifar10", sparsity_schedule=schedule)
        stored = spec.complete("cifar_resnet").model_dump(mode="json")
        assert stored["recipe"]["length"] == "160ep"
        assert stored["sparsity_schedule"] == {
            "survivors": None,
            "sparsity": 0.9,
            "method": "rigl",
            "scope": "erk",
            "alpha": 0.3,
            "every": 100,
            "begin": 0,
            "end": 0.75,
            "multiplier": 5,
        }
        found = parse_spec(stored)
        assert isinstance(found, TrainSpec)
        assert found.full_recipe == PRESETS["cifar_resnet"].times(5)

    def test_one_from_before_there_were_sparsity_schedules_is_of_a_dense_network(self) -> None:
        spec = TrainSpec(architecture="mlp_2", dataset="digits").complete("mlp")
        stored = spec.model_dump(mode="json")
        del stored["sparsity_schedule"]
        assert parse_spec(stored) == spec


class TestTransformSpec:
    def test_takes_an_order_or_a_map_but_not_both(self) -> None:
        with pytest.raises(ValidationError, match="not both"):
            TransformSpec(tickets=[TICKET], architecture="mlp_3", order="append", unit_map="0:0")

    def test_an_unknown_order_names_the_known_ones(self) -> None:
        with pytest.raises(ValidationError, match="'append', 'interpolate', 'drop_last'"):
            TransformSpec.model_validate({"tickets": [TICKET], "architecture": "mlp_3", "order": "shuffle"})


class TestEvaluateSpec:
    @pytest.mark.parametrize("given", [{}, {"tickets": [TICKET], "job": "ab" * 16}])
    def test_takes_tickets_or_a_job(self, given: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="either tickets or job"):
            EvaluateSpec.model_validate({"dataset": "digits", **given})


class TestHostileInput:
    json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )

    @pytest.mark.parametrize("model", [FindSpec, TransformSpec, TrainSpec, EvaluateSpec])
    @given(data=st.data())
    def test_any_json_is_a_spec_or_a_validation_error(
        self, model: type[FindSpec], data: st.DataObject
    ) -> None:
        fields = st.sampled_from([*model.model_fields, "x"])
        given_json = data.draw(self.json | st.dictionaries(fields, self.json, max_size=6))
        with suppress(ValidationError):
            model.model_validate(given_json)
