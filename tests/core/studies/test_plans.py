from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from core.catalog.paces import Paces
from core.jobs.recipes import RecipeChoice
from core.studies.plans import Asked, Plan, Plans, plans

MEMBERS = ("imagenet_resnet_18", "imagenet_resnet_26", "imagenet_resnet_34")
PAPER = dict(zip(MEMBERS, map(Fraction, ("9.0", "10.0", "10.8")), strict=True))


def planned(**change: Any) -> Plans:
    asked: dict[str, Any] = {
        "targets": MEMBERS,
        "dataset": "imagenet",
        "level": 6,
        "methods": ("elth", "imp", "rigl", "dense"),
        "sources": MEMBERS,
        "seeds": 1,
        "recipe": RecipeChoice(),
        "hours": PAPER,
        "devices": 8,
        "multiplier": 5,
        "price": None,
    }
    return plans(Asked(**asked | change), Paces([], {}))


def by_name(found: Plans) -> dict[str, Plan]:
    return {plan.name: plan for plan in found.plans}


class TestAppendixB:
    def test_hours_are_the_paper_s(self) -> None:
        hours = {name: plan.hours for name, plan in by_name(planned()).items()}
        assert hours == {
            "elth from imagenet_resnet_18": 7 * Fraction(9) + Fraction("20.8"),
            "elth from imagenet_resnet_26": Fraction("89.8"),
            "elth from imagenet_resnet_34": 7 * Fraction("10.8") + Fraction("19.0"),
            "imp": Fraction("208.6"),
            "rigl": Fraction("149"),
            "dense": Fraction("29.8"),
        }

    def test_the_cheapest_source_is_the_smallest_member(self) -> None:
        found = planned()
        assert found.cheapest_source == "imagenet_resnet_18"
        assert found.cheapest is not None
        assert found.cheapest.hours == Fraction("83.8")

    def test_restarting_at_the_rewind_point_saves_the_epochs_before_it(self) -> None:
        # 5 of 90 epochs: taken once by the source, and by nobody whose weights are stretched.
        plan = by_name(planned())["elth from imagenet_resnet_26"]
        later = Fraction(85, 90)
        assert plan.rewound_hours == (7 * later + Fraction(5, 90)) * 10 + later * (9 + Fraction("10.8"))
        assert by_name(planned())["rigl"].rewound_hours == Fraction("149")

    def test_money_is_device_hours_times_the_price(self) -> None:
        plan = by_name(planned(price=Fraction("2.5")))["elth from imagenet_resnet_26"]
        assert plan.device_hours == Fraction("718.4")
        assert plan.money == Fraction("1796")

    def test_everything_is_done_once_per_seed(self) -> None:
        assert by_name(planned(seeds=3))["imp"].hours == 3 * Fraction("208.6")


class TestSources:
    def test_one_that_is_no_target_is_not_trained_itself(self) -> None:
        plan = by_name(planned(targets=MEMBERS[1:], sources=MEMBERS[:1]))["elth from imagenet_resnet_18"]
        assert plan.hours == 6 * Fraction(9) + Fraction("20.8")
        assert {share.network: share.trainings for share in plan.networks} == dict(
            zip(MEMBERS, (6, 1, 1), strict=True)
        )

    def test_the_only_target_may_be_its_own_source(self) -> None:
        plan = by_name(planned(targets=MEMBERS[:1], sources=MEMBERS[:1]))["elth from imagenet_resnet_18"]
        assert plan.trainings == 7


class TestMethods:
    @pytest.mark.parametrize(
        ("method", "trainings"),
        [("snip", 3), ("grasp", 3), ("random", 3), ("early_bird", 6), ("set", 15), ("static", 15)],
    )
    def test_trainings_that_each_takes_on_three_networks(self, method: str, trainings: int) -> None:
        assert planned(methods=(method,)).plans[0].trainings == trainings

    def test_dense_networks_are_never_the_cheapest_way_to_sparse_ones(self) -> None:
        assert planned(methods=("dense",)).cheapest is None
        assert planned(methods=("dense",)).cheapest_source is None


class TestWithoutHours:
    def test_a_guess_from_operations_says_so(self) -> None:
        found = planned(hours={}, devices=1)
        assert any("guessed: 50%" in told for told in found.assumptions)
        dense = by_name(found)["dense"]
        shares = {share.network: share.hours for share in dense.networks}
        assert None not in shares.values()
        # 1.8 and 3.6 billion multiplications (He et al., 2016).
        assert float(shares[MEMBERS[2]] / shares[MEMBERS[0]]) == pytest.approx(2.0, rel=0.05)
