"""What a shell may complete: names that every installation knows."""

from __future__ import annotations

from collections.abc import Iterable


def datasets(incomplete: str) -> list[str]:
    """Names of datasets."""
    from core.jobs.datasets import DATASETS

    return _beginning(incomplete, DATASETS)


def methods(incomplete: str) -> list[str]:
    """Names of methods that find tickets."""
    from core.jobs.methods import FINDING

    return _beginning(incomplete, FINDING)


def architectures(incomplete: str) -> list[str]:
    """Names of architectures: of each family, those that show how it names its members."""
    from core.families import FAMILIES

    return _beginning(incomplete, [name for family in FAMILIES.values() for name in family.examples])


def studies(incomplete: str) -> list[str]:
    """Studies by name."""
    from core.studies.recipes import STUDIES

    return _beginning(incomplete, STUDIES)


def formats(incomplete: str) -> list[str]:
    """Formats of a ticket's file."""
    from core.jobs.formats import FORMATS

    return _beginning(incomplete, ["elasticket", *FORMATS])


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
