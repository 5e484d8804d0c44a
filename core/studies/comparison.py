"""The rows of a study's table as numbers: each cell, held against IMP's own ticket and against the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.studies.published import Published, published
from core.studies.report import Filled
from core.studies.significance import Difference, paired
from core.studies.spec import StudySpec
from core.studies.table import Spread, spread


@dataclass(frozen=True)
class Row:
    """A cell, with what it is compared with: `reference` is the name of that row, None where there is none."""

    found: Filled
    reference: str | None
    difference: Difference | None
    published: Published | None

    @property
    def method(self) -> str:
        """The arm, whose ticket it stretched, and where that was found if it was elsewhere."""
        cell = self.found.cell
        source = f" from {cell.source}" if cell.source else ""
        return cell.arm + source + (f" on {cell.found_on}" if cell.found_on else "")

    @property
    def accuracy(self) -> Spread | None:
        """Test accuracy after the last step, over seeds."""
        return _spread(self.found.accuracies)

    @property
    def best(self) -> Spread | None:
        """Test accuracy at the best epoch, which is test-selected."""
        return _spread(self.found.by_seed(lambda trial: trial.best))

    @property
    def sparsity(self) -> Spread | None:
        """The share of weights that are pruned."""
        return _spread(self.found.sparsities)

    @property
    def dead(self) -> Spread | None:
        """Dead neurons per ticket."""
        return _spread(self.found.by_seed(lambda trial: trial.dead))

    @property
    def barrier(self) -> Spread | None:
        """The barrier on the line between two trainings of one ticket."""
        return spread(self.found.barriers) if self.found.barriers else None


def rows(spec: StudySpec, cells: Sequence[Filled]) -> list[Row]:
    """Every cell, compared."""
    # An arm that alters the transformation is not what the paper's numbers are of.
    altered = {arm.name for arm in spec.arms if arm.parameters}
    found = []
    for one in cells:
        reference = _reference(one, cells)
        found.append(
            Row(
                one,
                None if reference is None else reference.cell.arm,
                None if reference is None else paired(one.accuracies, reference.accuracies),
                published(one.cell) if one.cell.arm not in altered else None,
            )
        )
    return found


def _reference(one: Filled, cells: Sequence[Filled]) -> Filled | None:
    """IMP's own ticket of the same dataset, network and level; the dense network where no row is IMP's."""
    beside = [other for other in cells if _place(other) == _place(one)]
    for candidates in (filter(_is_imps_own, beside), (o for o in beside if o.cell.method == "dense")):
        for reference in candidates:
            return reference if reference is not one else None
    return None


def _place(one: Filled) -> tuple[str, str, int]:
    return one.cell.dataset, one.cell.target, one.cell.level


def _is_imps_own(one: Filled) -> bool:
    cell = one.cell
    return cell.method == "imp" or (cell.source == cell.target and cell.found_on is None)


def _spread(values: dict[int, float]) -> Spread | None:
    return spread(list(values.values())) if values else None
