from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from core.studies.recipes import STUDIES
from core.studies.spec import StudySpec


class TestRecipes:
    @pytest.mark.parametrize("scale", ["paper", "small"])
    @pytest.mark.parametrize("name", STUDIES)
    def test_every_named_study_is_complete(self, name: str, scale: str) -> None:
        missing = {"datasets": ["digits"]} if (name, scale) == ("rivals", "paper") else {}
        assert StudySpec.model_validate({"study": name, "scale": scale} | missing).study == name

    def test_a_field_that_is_given_replaces_the_study_s(self) -> None:
        spec = StudySpec.model_validate({"study": "elth_fc", "targets": ["mlp_5"]})
        assert (spec.datasets, spec.sources, spec.targets) == (
            ["mnist"],
            ["mlp_2", "mlp_3", "mlp_4"],
            ["mlp_5"],
        )

    def test_so_does_one_field_of_its_recipe(self) -> None:
        spec = StudySpec.model_validate({"study": "elth_fc", "scale": "small", "recipe": {"lr": 0.05}})
        assert (spec.recipe.lr, spec.recipe.length) == (0.05, "20ep")

    def test_a_dataset_may_have_a_recipe_of_its_own(self) -> None:
        spec = StudySpec.model_validate(
            {"study": "elth_imagenet_to_cifar", "recipe": {"lr": 0.2}, "recipes": {"imagenet": {"lr": 0.3}}}
        )
        on = {name: spec.recipe_on(name) for name in ("imagenet", "cifar10_224")}
        assert [choice.lr for choice in on.values()] == [0.3, 0.2]
        assert {choice.preset for choice in on.values()} == {"imagenet_resnet"}

    def test_what_is_stored_reads_back_the_same(self) -> None:
        spec = StudySpec.model_validate({"study": "rivals", "datasets": ["digits"], "recipe": {"lr": 0.05}})
        assert StudySpec.model_validate(spec.model_dump(mode="json")) == spec


class TestStudySpec:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"study": "table_9"}, "accepted: rivals, elth_depth"),
            ({"study": ["rivals"]}, "accepted: rivals, elth_depth"),
            ({"scale": {}}, "'paper' or 'small'"),
            ({"datasets": ["places365"]}, "accepted: digits"),
            ({"found_on": ["places365"]}, "accepted: digits"),
            ({"recipes": {"places365": {}}}, "accepted: digits"),
            ({"scale": "huge"}, "'paper' or 'small'"),
            ({"study": None, "scale": "small"}, "leave scale out"),
            ({"orders": ["append", "append"]}, "once"),
            ({"arms": [{"name": "IMP", "method": "random"}]}, "choose another name"),
            ({"arms": [{"name": "a/b", "method": "imp"}]}, "without /"),
            ({"arms": [{"name": "ETT from mlp_2", "method": "random"}]}, "without the word from"),
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
            StudySpec.model_validate({"study": "rivals", "datasets": ["digits"]} | change)
