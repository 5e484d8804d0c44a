from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.families.initialisation import initialise
from core.jobs.methods import RandomParameters
from core.jobs.specs import FindSpec, TransformSpec
from core.tickets import Ticket

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench


@pytest.fixture
def source(bench: "Bench") -> str:
    spec = FindSpec(
        architecture="mlp_3",
        dataset="digits",
        method="random",
        parameters=RandomParameters(survivors=20_000),
        seeds=[5],
    ).complete("mlp")
    bench.run(spec)
    return next(iter(bench.tickets))


def assert_copied(target: Ticket, name: str, source: Ticket, origin: str) -> None:
    for kind in ("weight", "bias"):
        found, expected = target.weights()[f"{name}.{kind}"], source.weights()[f"{origin}.{kind}"]
        assert np.array_equal(found, expected)
    assert target.masks[f"{name}.weight"] == source.masks[f"{origin}.weight"]


class TestTransform:
    def test_units_and_fixed_tensors_follow_the_map(self, bench: "Bench", source: str) -> None:
        outcome = bench.run(
            TransformSpec(tickets=[source], architecture="mlp_5", unit_map="0:0;2:1,2;1:3,4;3:5")
        )
        (made,) = bench.made(outcome)
        old = bench.ticket(source)
        for target, origin in enumerate((0, 2, 2, 1, 1, 3)):
            assert_copied(made.ticket, f"fc_layers.{target}", old, f"fc_layers.{origin}")
        assert_copied(made.ticket, "fc", old, "fc")
        assert made.ticket.rewind_step == old.rewind_step

    def test_says_what_it_was_made_from(self, bench: "Bench", source: str) -> None:
        (made,) = bench.made(bench.run(TransformSpec(tickets=[source], architecture="mlp_4")))
        assert (made.metadata.parent, made.metadata.method) == (source, "ett")
        assert (made.metadata.seed, made.metadata.dataset) == (5, "digits")
        assert made.metadata.details == {"unit_map": "0:0;1:1,3;2:2;3:4"}

    def test_says_what_departs_from_the_plain_transformation(self, bench: "Bench", source: str) -> None:
        spec = TransformSpec(
            tickets=[source],
            architecture="mlp_4_320",
            via=[{"architecture": "mlp_2"}],  # type: ignore[list-item]
            norm="fresh",
            head="fresh",
            noise=0.5,
        )
        (made,) = bench.made(bench.run(spec))
        said = made.metadata.details
        assert said.keys() == {"unit_map", "via", "norm", "noise", "fresh"}
        assert (said["via"], said["fresh"]) == (["mlp_2"], ["fc.bias", "fc.weight"])
        drawn = spec.model_copy(update={"weights": "reinit"})
        (made,) = bench.made(bench.run(drawn))[-1:]
        assert "noise" not in made.metadata.details

    def test_a_stretch_and_its_squeeze_give_the_ticket_back(self, bench: "Bench", source: str) -> None:
        bench.run(TransformSpec(tickets=[source], architecture="mlp_6"))
        stretched = list(bench.tickets)[-1]
        bench.run(TransformSpec(tickets=[stretched], architecture="mlp_3", order="drop_last"))
        assert list(bench.tickets) == [source, stretched]

    def test_a_fresh_stem_is_dense_and_drawn_from_the_tickets_seed(self, bench: "Bench", source: str) -> None:
        spec = TransformSpec(tickets=[source], architecture="mlp_3", dataset="mnist", stem="fresh")
        (made,) = bench.made(bench.run(spec))
        theta_0 = initialise(made.ticket.architecture, 5)
        assert made.ticket.architecture.input == (1, 28, 28)
        assert made.ticket.bool_masks()["fc_layers.0.weight"].all()
        for name in ("fc_layers.0.weight", "fc_layers.0.bias"):
            assert np.array_equal(made.ticket.weights()[name], theta_0[name])
        # θ_k is still that of digits: a training on another dataset starts its schedule at 0.
        assert made.metadata.dataset == "digits"
