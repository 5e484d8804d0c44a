from typing import Any

import pytest

from core.families import architecture
from core.jobs.datasets import DATASETS
from core.studies.expansion import Cell
from core.studies.published import _STATED, published


def cell(dataset: str, target: str, level: int, method: str, **given: Any) -> Cell:
    return Cell(dataset, target, level, "any name", method, (), **given)


class TestPublished:
    @pytest.mark.parametrize(
        ("found", "accuracy", "where"),
        [
            # Rows of the paper's tables are sources, columns targets.
            (cell("mnist", "mlp_4", 10, "ett", source="mlp_3"), 97.83, "Table 5"),
            (cell("mnist", "mlp_3", 10, "ett", source="mlp_4"), 97.91, "Table 5"),
            (cell("mnist", "mlp_4", 10, "imp"), 98.03, "Table 5"),
            (cell("cifar10", "cifar_vgg_13_fc5", 10, "ett", source="cifar_vgg_13_fc3"), 93.59, "Table 5"),
            (cell("cifar10", "cifar_vgg_13_fc5", 10, "imp"), 93.38, "Table 5"),
            (
                cell("cifar10", "cifar_resnet_32", 6, "ett", source="cifar_resnet_20", found_on="svhn"),
                88.67,
                "Table 6",
            ),
            (cell("cifar10", "cifar_resnet_32", 10, "ett", source="cifar_resnet_20"), 91.38, "Table 6"),
            (cell("svhn", "cifar_resnet_32", 10, "imp"), 96.32, "Table 6"),
            (cell("cifar10_224", "imagenet_resnet_34", 6, "dense"), 95.21, "Table 7"),
        ],
    )
    def test_the_paper_s_number_and_where_it_stands(self, found: Cell, accuracy: float, where: str) -> None:
        stated = published(found)
        assert stated is not None
        assert (stated.accuracy, stated.where) == (accuracy, where)
        assert bool(stated.assumed) is (where != "Table 5")

    def test_a_ticket_at_home_is_imp_s_own(self) -> None:
        at_home = published(cell("mnist", "mlp_2", 10, "ett", source="mlp_2"))
        assert at_home == published(cell("mnist", "mlp_2", 10, "imp"))
        assert at_home is not None

    @pytest.mark.parametrize(
        "found",
        [
            cell("digits", "mlp_4", 10, "imp"),
            cell("mnist", "mlp_4", 9, "imp"),
            cell("mnist", "mlp_4", 10, "random"),
            cell("mnist", "mlp_4", 10, "ett", source="mlp_3", found_on="digits"),
        ],
    )
    def test_what_it_does_not_state_has_none(self, found: Cell) -> None:
        assert published(found) is None

    def test_every_place_is_one_that_a_study_can_have(self) -> None:
        assert len(_STATED) == 9 + 9 + 24 + 4
        for place in _STATED:
            for name in filter(None, (place.target, place.source)):
                facts = DATASETS[place.dataset]
                assert architecture(name, facts.input, facts.classes).name == name
