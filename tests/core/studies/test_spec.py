from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from core.studies.spec import RECIPES, StudySpec


class TestRecipes:
    @pytest.mark.parametrize("name", RECIPES)
    def test_every_recipe_is_a_study_once_it_has_a_dataset(self, name: str) -> None:
        assert StudySpec.model_validate({"study": name, "dataset": "digits"}).study == name

    def test_a_field_that_is_given_replaces_the_recipe_s(self) -> None:
        spec = StudySpec.model_validate({"study": "elth_fc", "targets": ["mlp_5"]})
        assert (spec.dataset, spec.sources, spec.targets) == ("mnist", ["mlp_2", "mlp_3", "mlp_4"], ["mlp_5"])

    def test_what_is_stored_reads_back_the_same(self) -> None:
        spec = StudySpec.model_validate({"study": "rivals", "dataset": "digits", "recipe": {"lr": 0.05}})
        assert StudySpec.model_validate(spec.model_dump(mode="json")) == spec


class TestStudySpec:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"study": "table_9"}, "accepted: rivals, elth_fc"),
            ({"dataset": "places365"}, "accepted: digits"),
            ({"targets": ["resnet_9000"]}, "mlp_N"),
            ({"targets": ["cifar_resnet_14"]}, "cifar_resnet, mlp"),
            ({"targets": []}, "at least 1"),
            ({"seeds": [1, 1]}, "once"),
            ({"levels": [0]}, "greater than or equal to 1"),
            ({"arms": [{"name": "a", "method": "snip"}, {"name": "a", "method": "grasp"}]}, "one name"),
            (
                {"arms": [{"name": "a", "method": "snip", "parameters": {"batch": -1}}]},
                "greater than or equal",
            ),
            ({"colour": "blue"}, "Extra inputs"),
        ],
    )
    def test_says_what_would_be_accepted(self, change: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            StudySpec.model_validate({"study": "rivals", "dataset": "digits"} | change)
