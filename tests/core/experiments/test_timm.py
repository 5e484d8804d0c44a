"""A model of timm found, stretched and trained as any other network."""

from typing import TYPE_CHECKING

import pytest

from core.families import UnknownArchitecture
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec, TrainSpec, TransformSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.core.experiments.conftest import Bench

SHORT = RecipeChoice(preset="cifar_resnet", length="2it", rewind="1it", augment=False)

pytestmark = [pytest.mark.usefixtures("timm"), pytest.mark.filterwarnings("ignore")]


class TestTimm:
    def test_a_ticket_is_found_stretched_and_trained(self, fresh_bench: "Callable[[str], Bench]") -> None:
        bench, trainer = fresh_bench("one"), fresh_bench("two")
        spec = FindSpec(
            architecture="timm:resnet18",
            dataset="digits",
            parameters=ImpParameters(level=1),
            recipe=SHORT,
        )
        bench.run(spec.complete("timm:resnet18"))
        bench.run(TransformSpec(tickets=list(bench.tickets), architecture="timm:resnet18:3-2-2-2"))
        trainer.tickets = bench.tickets
        *_, stretched = bench.tickets
        outcome = trainer.run(TrainSpec(tickets=[stretched], dataset="digits", recipe=SHORT).complete(""))
        assert outcome.runs[0].architecture == "timm:resnet18:3-2-2-2"
        assert outcome.runs[0].sparsity == bench.ticket(stretched).sparsity > 0.19

    def test_images_that_a_model_does_not_take_are_refused(self, bench: "Bench") -> None:
        spec = TrainSpec(architecture="timm:vit_tiny_patch16_224", dataset="digits", recipe=SHORT)
        with pytest.raises(UnknownArchitecture, match=r"\[1, 8, 8\]"):
            bench.run(spec.complete(""))
