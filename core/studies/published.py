"""Test accuracies that the paper states (E-LTH, NeurIPS 2021, appendix), to stand beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.studies.expansion import Cell


@dataclass(frozen=True)
class Published:
    """A test accuracy in percent, where it stands, and what had to be assumed to find its place; "": nothing."""

    accuracy: float
    where: str
    assumed: str = ""


class _Place(NamedTuple):
    dataset: str
    target: str
    level: int
    method: str
    source: str | None = None
    found_on: str | None = None


def published(cell: Cell) -> Published | None:
    """The paper's accuracy of a cell, if it states one.

    A ticket on the network and the dataset that it was found on is IMP's own, whichever arm trained it.
    """
    source, found_on, method = cell.source, cell.found_on, cell.method
    if method == "ett" and source == cell.target and found_on is None:
        source, method = None, "imp"
    return _STATED.get(_Place(cell.dataset, cell.target, cell.level, method, source, found_on))


_Stated = Iterator[tuple[_Place, Published]]


def _table_5(dataset: str, networks: Sequence[str], rows: Sequence[Sequence[float]]) -> _Stated:
    """Fully connected layers at 89.26 %: a row per source, its own network on the diagonal."""
    for source, row in zip(networks, rows, strict=True):
        for target, accuracy in zip(networks, row, strict=True):
            arm = ("imp", None) if source == target else ("ett", source)
            yield _Place(dataset, target, 10, *arm), Published(accuracy, "Table 5")


def _table_6() -> _Stated:
    """ResNet-20's tickets across datasets. The table gives no sparsity: shown at both that the paper speaks of."""
    small, large = "cifar_resnet_20", "cifar_resnet_32"
    stated: Mapping[tuple[str, str, str | None, str | None], tuple[float, float]] = {
        ("svhn", "imp", None, None): (95.95, 96.32),
        ("cifar10", "imp", None, None): (91.07, 92.22),
        ("svhn", "ett", small, None): (95.95, 96.00),
        ("cifar10", "ett", small, "svhn"): (87.21, 88.67),
        ("svhn", "ett", small, "cifar10"): (95.44, 95.79),
        ("cifar10", "ett", small, None): (91.07, 91.38),
    }
    for (dataset, method, source, found_on), accuracies in stated.items():
        for target, accuracy in zip((small, large), accuracies, strict=True):
            for level in (6, 10):
                place = _Place(dataset, target, level, method, source, found_on)
                yield place, Published(accuracy, "Table 6", "the sparsity, which the table does not give")


def _table_7() -> _Stated:
    """ImageNet's tickets at 73.79 % on CIFAR-10 at 224 pixels.

    The text speaks of 18 → 26, the table of sources 18 and 26: of the three networks that leaves ResNet-34.
    """
    target, on = "imagenet_resnet_34", "imagenet"
    assumed = "the network, of which table and text say different things"
    for arm, accuracy in (
        (("dense", None, None), 95.21),
        (("imp", None, None), 95.42),
        (("ett", "imagenet_resnet_18", on), 95.40),
        (("ett", "imagenet_resnet_26", on), 95.16),
    ):
        yield _Place("cifar10_224", target, 6, *arm), Published(accuracy, "Table 7", assumed)


_STATED: Mapping[_Place, Published] = dict(
    [
        *_table_5(
            "cifar10",
            ("cifar_vgg_13_fc2", "cifar_vgg_13_fc3", "cifar_vgg_13_fc5"),
            ((93.50, 93.61, 93.38), (93.50, 93.62, 93.59), (93.44, 93.59, 93.38)),
        ),
        *_table_5(
            "mnist",
            ("mlp_2", "mlp_3", "mlp_4"),
            ((98.06, 97.95, 97.99), (97.91, 97.83, 97.83), (97.88, 97.91, 98.03)),
        ),
        *_table_6(),
        *_table_7(),
    ]
)
