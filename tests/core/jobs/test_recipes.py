from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from core.families import FAMILIES, architecture
from core.jobs.recipes import PRESETS, PresetName, Recipe, RecipeChoice, recipe_for, steps
from core.training.schedule import learning_rate


class TestPresets:
    def test_resnet_is_table_4(self) -> None:
        recipe = PRESETS["cifar_resnet"]
        assert (recipe.length, recipe.batch, recipe.lr, recipe.momentum) == ("160ep", 128, 0.1, 0.9)
        assert (recipe.milestones, recipe.gamma, recipe.warmup) == (("80ep", "120ep"), 0.1, "0it")
        assert (recipe.rewind, recipe.weight_decay, recipe.augment, recipe.dense) == (
            "1000it",
            1e-4,
            True,
            (),
        )

    def test_mlp_keeps_its_output_layer_dense(self) -> None:
        recipe = PRESETS["mlp"]
        assert (recipe.length, recipe.batch, recipe.lr, recipe.momentum) == ("40ep", 128, 0.1, 0)
        assert (recipe.rewind, recipe.weight_decay, recipe.augment) == ("0it", 0, False)
        assert (recipe.milestones, recipe.dense) == ((), ("fc.weight",))

    def test_every_family_has_one_of_its_name(self) -> None:
        assert list(PRESETS) == list(get_args(PresetName)) == list(FAMILIES)
        for name, recipe in PRESETS.items():
            network = architecture(FAMILIES[name].examples[0], (3, 32, 32), 10)
            assert {spec.name for spec in network.prunable}.issuperset(recipe.dense)

    def test_vgg_is_table_4(self) -> None:
        recipe = PRESETS["cifar_vgg"]
        assert (recipe.rewind, recipe.dense) == ("200it", ("fc.weight",))
        assert recipe == recipe_for("cifar_resnet", {"rewind": "200it", "dense": ["fc.weight"]})

    def test_imagenet_is_table_4(self) -> None:
        recipe = PRESETS["imagenet_resnet"]
        assert (recipe.length, recipe.batch, recipe.lr, recipe.momentum) == ("90ep", 1024, 0.4, 0.9)
        assert (recipe.milestones, recipe.gamma) == (("30ep", "60ep", "80ep"), 0.1)
        assert (recipe.warmup, recipe.rewind, recipe.weight_decay) == ("5ep", "5ep", 1e-4)
        assert (recipe.augment, recipe.dense) == (True, ())

    def test_mobilenet_is_as_resnet(self) -> None:
        assert PRESETS["cifar_mobilenetv1"] == PRESETS["cifar_resnet"]

    def test_cifarhe_is_longer_and_decays_more(self) -> None:
        changes = {"length": "200ep", "weight_decay": 5e-4}
        assert PRESETS["cifarhe_resnet"] == recipe_for("cifar_resnet", changes)

    def test_lenet5(self) -> None:
        recipe = PRESETS["lenet5"]
        assert (recipe.length, recipe.batch, recipe.lr, recipe.optimizer) == ("20ep", 128, 0.001, "adam")
        assert (recipe.rewind, recipe.weight_decay, recipe.augment, recipe.dense) == ("0it", 0, False, ())


class TestSteps:
    @pytest.mark.parametrize(("duration", "expected"), [("160ep", 62560), ("1000it", 1000), ("0ep", 0)])
    def test_epochs_and_steps(self, duration: str, expected: int) -> None:
        assert steps(duration, 391) == expected


class TestRecipe:
    @pytest.mark.parametrize(
        "change",
        [
            {"length": "0ep"},
            {"length": "10"},
            {"length": "1.5ep"},
            {"length": "10ep\n"},
            {"length": "٣ep"},
            {"batch": 0},
            {"lr": 0},
            {"lr": float("inf")},
            {"momentum": 1},
            {"momentum": float("nan")},
            {"weight_decay": -1e-4},
            {"milestones": ["80"]},
            {"gamma": 0},
            {"rewind": "-1it"},
            {"dense": [""]},
            {"optimizer": "adamw"},
            {"decay": "bias"},
            {"schedule": "linear"},
            {"label_smoothing": 1},
            {"label_smoothing": -0.1},
            {"label_smoothing": float("nan")},
            {"dampening": 0.1},
        ],
    )
    def test_what_is_out_of_bounds_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as refusal:
            recipe_for("mlp", change)
        assert refusal.value.errors()[0]["loc"][0] == next(iter(change))

    @pytest.mark.parametrize(
        ("change", "field", "said", "accepted"),
        [
            ({"nesterov": True, "momentum": 0}, "nesterov", "momentum is 0", "a momentum above 0"),
            ({"optimizer": "adam"}, "optimizer", "momentum is 0.9", "momentum 0, or sgd"),
            (
                {"optimizer": "adam", "momentum": 0, "nesterov": True},
                "nesterov",
                "momentum is 0",
                "a momentum above 0",
            ),
            ({"schedule": "cosine"}, "schedule", "there are 80ep, 120ep", "milestones [], or steps"),
        ],
    )
    def test_fields_that_contradict_each_other_are_refused(
        self, change: dict[str, Any], field: str, said: str, accepted: str
    ) -> None:
        with pytest.raises(ValidationError) as refusal:
            recipe_for("cifar_resnet", change)
        (error,) = refusal.value.errors()
        assert error["loc"] == (field,)
        assert said in error["msg"]
        assert error["ctx"]["expected"] == accepted

    @pytest.mark.parametrize(
        "change",
        [
            {"nesterov": True},
            {"optimizer": "adam", "momentum": 0},
            {"schedule": "cosine", "milestones": []},
            {"decay": "weights", "label_smoothing": 0.1},
        ],
    )
    def test_what_goes_together_is_accepted(self, change: dict[str, Any]) -> None:
        assert recipe_for("cifar_resnet", change).model_dump(mode="json").items() >= change.items()

    def test_a_field_out_of_bounds_is_one_error(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            recipe_for("mlp", {"momentum": 2, "nesterov": True, "optimizer": "adam"})
        assert [error["loc"] for error in refusal.value.errors()] == [("momentum",)]

    def test_one_stored_before_there_was_a_choice_means_plain_sgd(self) -> None:
        stored = {"length": "3ep", "batch": 8, "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
        for recipe in (Recipe.model_validate(stored), RecipeChoice.model_validate(stored).resolve(None)):
            assert (recipe.optimizer, recipe.nesterov, recipe.decay) == ("sgd", False, "all")
            assert (recipe.label_smoothing, recipe.schedule) == (0, "steps")

    def test_every_field_is_described(self) -> None:
        assert all(field.get("description") for field in Recipe.model_json_schema()["properties"].values())

    def test_survives_json(self) -> None:
        recipe = PRESETS["cifar_resnet"]
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


class TestRecipeFor:
    def test_overrides_replace_fields(self) -> None:
        recipe = recipe_for("mlp", {"length": "50it", "dense": []})
        assert recipe == PRESETS["mlp"].model_copy(update={"length": "50it", "dense": ()})

    def test_an_unknown_preset_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'vit'; there are: mlp, lenet5, cifar_resnet"):
            recipe_for("vit", {})


class TestRecipeChoice:
    def test_it_leaves_every_field_of_a_recipe_open(self) -> None:
        assert set(RecipeChoice.model_fields) == {"preset", *Recipe.model_fields}
        assert set(RecipeChoice().model_dump().values()) == {None}

    def test_the_family_gives_the_preset(self) -> None:
        assert RecipeChoice().resolve("mlp") == PRESETS["mlp"]

    def test_a_named_preset_wins_over_the_family(self) -> None:
        choice = RecipeChoice.model_validate({"preset": "cifar_resnet", "length": "2ep", "augment": False})
        assert choice.resolve("mlp") == recipe_for("cifar_resnet", {"length": "2ep", "augment": False})

    def test_a_complete_choice_needs_no_preset(self) -> None:
        assert RecipeChoice.complete(PRESETS["mlp"]).resolve(None) == PRESETS["mlp"]

    def test_an_incomplete_choice_without_a_family_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            RecipeChoice.model_validate({"length": "2ep"}).resolve(None)


class TestTimes:
    def test_every_duration_is_multiplied_and_nothing_else(self) -> None:
        recipe = PRESETS["imagenet_resnet"].model_copy(update={"milestones": ("30ep", "9000it")})
        found = recipe.times(5)
        durations = {"length", "milestones", "warmup", "rewind"}
        assert (found.length, found.warmup, found.rewind) == ("450ep", "25ep", "25ep")
        assert found.milestones == ("150ep", "45000it")
        assert found.model_dump(exclude=durations) == recipe.model_dump(exclude=durations)

    def test_the_learning_rate_at_a_share_of_the_run_is_the_same(self) -> None:
        recipe = PRESETS["imagenet_resnet"]
        for step in range(0, 900, 7):
            expected = pytest.approx(learning_rate(recipe, step, 10))
            assert learning_rate(recipe.times(5), 5 * step, 10) == expected
