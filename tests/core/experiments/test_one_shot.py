from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.datasets import load
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.methods import FINDING, RandomParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec
from core.models import build
from core.models.state import load_state
from core.tickets import ticket_id
from core.tickets.weights import read_weights

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench

ONE_SHOT = ["one_shot_magnitude", "random", "snip", "force", "grasp", "synflow"]


def find(
    method: str,
    network: str = "mlp_2",
    *,
    seeds: tuple[int, ...] = (3,),
    recipe: dict[str, Any] | None = None,
    **parameters: Any,
) -> FindSpec:
    if "pattern" not in parameters:
        parameters = {"survivors": 10_000} | parameters
    if method == "synflow":
        parameters = {"rounds": 5} | parameters
    return FindSpec(
        architecture=network,
        dataset="digits",
        method=method,
        parameters=FINDING[method].parameters.model_validate(parameters),
        seeds=list(seeds),
        recipe=RecipeChoice.model_validate(
            {"length": "1ep", "rewind": "4it", "momentum": 0.9} | (recipe or {})
        ),
        exact=True,
    ).complete("mlp" if network.startswith("mlp") else "cifar_resnet")


@pytest.mark.parametrize("method", ONE_SHOT)
class TestEveryMethod:
    def test_exact_survivors_over_the_initial_weights_and_dense_layers_whole(
        self, bench: "Bench", method: str
    ) -> None:
        outcome = bench.run(find(method, seeds=(3, 4)))
        assert outcome.runs == []
        for seed, file in zip((3, 4), bench.made(outcome), strict=True):
            theta_0, masks = initialise(file.ticket.architecture, seed), file.ticket.bool_masks()
            assert (file.ticket.survivors, file.ticket.rewind_step) == (10_000, 0)
            assert (file.metadata.method, file.metadata.seed, file.metadata.level) == (method, seed, None)
            assert masks["fc.weight"].all()
            for name, values in file.ticket.weights().items():
                assert np.array_equal(values, theta_0[name] * masks.get(name, True))

    def test_at_the_rewind_point_over_the_weights_that_imp_rewinds_to(
        self, bench: "Bench", method: str
    ) -> None:
        outcome = bench.run(find(method, at="rewind"))
        (file,) = bench.made(outcome)
        theta_k = read_weights(bench.diary.artifacts.path(outcome.tickets[0].weights["4"]))
        assert file.ticket.rewind_step == 4
        assert any((theta_k[n] != v).any() for n, v in initialise(file.ticket.architecture, 3).items())
        masks = file.ticket.bool_masks()
        for name, values in file.ticket.weights().items():
            assert np.array_equal(values, theta_k[name] * masks.get(name, True))

    def test_again_it_is_the_same_ticket(
        self, bench: "Bench", fresh_bench: Callable[[str], "Bench"], method: str
    ) -> None:
        first = bench.made(bench.run(find(method, "cifar_resnet_8_4", survivors=1_000)))
        other = fresh_bench("again")
        again = other.made(other.run(find(method, "cifar_resnet_8_4", survivors=1_000)))
        assert [ticket_id(file.ticket) for file in first] == [ticket_id(file.ticket) for file in again]

    def test_the_same_density_in_every_layer_that_is_not_kept_dense(
        self, bench: "Bench", method: str
    ) -> None:
        (file,) = bench.made(bench.run(find(method, scope="uniform", survivors=20_000)))
        densities = [layer.survivors / layer.size for layer in file.ticket.layers()[:-1]]
        assert file.ticket.survivors == 20_000
        assert max(densities) - min(densities) < 1e-4

    def test_two_of_four_consecutive_inputs(self, bench: "Bench", method: str) -> None:
        rounds = {"rounds": 1} if "rounds" in FINDING[method].parameters.model_fields else {}
        (file,) = bench.made(bench.run(find(method, pattern="2:4", **rounds)))
        for name, mask in file.ticket.bool_masks().items():
            if name != "fc.weight":
                assert (mask.reshape(len(mask), -1, 4).sum(2) == 2).all(), name


def test_methods_differ_from_each_other(bench: "Bench") -> None:
    masks = {
        method: bench.made(bench.run(find(method)))[0].ticket.bool_masks()["fc_layers.0.weight"]
        for method in ONE_SHOT
    }
    for one in ONE_SHOT:
        for other in ONE_SHOT:
            assert (one == other) == np.array_equal(masks[one], masks[other]), (one, other)


class TestData:
    def test_magnitude_random_and_synflow_need_none(
        self, bench: "Bench", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr("core.experiments.lab.Lab.dataset")
        for method in ("one_shot_magnitude", "random", "synflow"):
            bench.run(find(method))
        with pytest.raises(AttributeError, match="dataset"):
            bench.run(find("snip"))

    def test_snip_scores_the_first_batch_of_the_seed_s_own_order(self, bench: "Bench") -> None:
        (file,) = bench.made(bench.run(find("snip", batch=50)))
        network = architecture("mlp_2", (1, 8, 8), 10)
        model = build(network)
        load_state(model, initialise(network, 3))
        batches = load("digits", Path("none")).batches(
            batch=50, seed=3, augment=False, device=torch.device("cpu")
        )
        images, labels = batches.at(0)
        F.cross_entropy(model(images), labels).backward()
        scores = {
            n: (p * p.grad).abs().detach().numpy() for n, p in model.named_parameters() if "weight" in n
        }
        masks = file.ticket.bool_masks()
        free = [name for name in masks if name != "fc.weight"]
        assert max(scores[n][~masks[n]].max() for n in free) <= min(scores[n][masks[n]].min() for n in free)

    def test_a_fresh_initialisation_is_scored_and_the_seed_s_own_is_trained(self, bench: "Bench") -> None:
        (own,) = bench.made(bench.run(find("snip")))
        (fresh,) = bench.made(bench.run(find("snip", fresh_init=True)))
        assert (
            own.ticket.bool_masks()["fc_layers.0.weight"] != fresh.ticket.bool_masks()["fc_layers.0.weight"]
        ).any()
        theta_0 = initialise(fresh.ticket.architecture, 3)
        for name, mask in fresh.ticket.bool_masks().items():
            assert np.array_equal(fresh.ticket.weights()[name], theta_0[name] * mask)

    def test_a_class_that_is_too_small_for_grasp_is_named(self, bench: "Bench") -> None:
        with pytest.raises(ValueError, match=r"class \d"):
            bench.run(find("grasp", per_class=500))


class TestEmptyLayers:
    def test_a_layer_that_lost_every_weight_is_reported(
        self, bench: "Bench", caplog: pytest.LogCaptureFixture
    ) -> None:
        spec = FindSpec(
            architecture="mlp_2",
            dataset="digits",
            method="random",
            parameters=RandomParameters(survivors=1000),
        ).complete("mlp")
        bench.run(spec)
        assert "no weight survives in fc_layers.0.weight, fc_layers.1.weight" in caplog.text
