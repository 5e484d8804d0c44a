"""Posted architectures: a family is described as data, and its members follow from counts of entries per stage.

`NAME:24` has 24 entries in its one stage, `NAME:3-4-6-3` that many in four; fixed entries count. A family without
stages has one member, `NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from core.elastic.anatomy import Anatomy, Entry, Stage
from core.families.architecture import LONGEST_TENSOR_NAME, Architecture, TensorSpec
from core.families.definition import MOST_TENSORS, TIMM, Definition
from core.families.family import UnknownArchitecture
from core.families.layout import Layout, StageLayout, understood
from core.families.registry import FAMILIES, LONGEST_NAME, MOST_VALUES

_NAME = re.compile(r"((?:timm:)?[a-z0-9][a-z0-9_.]*)(?::([1-9][0-9]{0,4}(?:-[1-9][0-9]{0,4})*))?")


class ParsedName(NamedTuple):
    """The name of a posted family, and the entries per stage if they are spelled out."""

    family: str
    counts: tuple[int, ...] | None


def parse_name(name: str) -> ParsedName | None:
    """Read `NAME` or `NAME:3-4-6-3`; None for what cannot be a posted architecture's name."""
    match = _NAME.fullmatch(name) if len(name) <= LONGEST_NAME else None
    if match is None:
        return None
    return ParsedName(match[1], tuple(int(count) for count in match[2].split("-")) if match[2] else None)


def posted_architecture(definition: Definition, counts: Sequence[int] | None = None) -> Architecture:
    """The member with that many entries per stage, the example's own numbers if None.

    The same object for the same request. Raises `BadDefinition` for a definition that describes no family, and
    `UnknownArchitecture` for counts that it has no member of.
    """
    canonical = definition.canonical
    if counts is None:
        counts = [len(stage.entries) for stage in understood(canonical).stages]
    return _built(canonical, tuple(counts))


def posted_member(definition: Definition, name: str) -> Architecture:
    """The member of that name, canonical or bare; raises as `posted_architecture` does."""
    parsed = parse_name(name)
    if parsed is None or parsed.family != definition.name:
        raise UnknownArchitecture(f"{name[:LONGEST_NAME]!a} is no member of {definition.name}")
    return posted_architecture(definition, parsed.counts)


@lru_cache(maxsize=32)
def _built(canonical: str, counts: tuple[int, ...]) -> Architecture:
    layout = understood(canonical)
    definition = layout.definition
    name = f"{definition.name}:{'-'.join(map(str, counts))}" if counts else definition.name
    _check_counts(layout, counts)
    anatomy = Anatomy(tuple(_anatomies(layout, counts)), tuple(spec.name for spec in layout.loose))
    tensors = tuple(_tensors(layout, anatomy, counts))
    _check_tensors(name, tensors)
    return Architecture(
        name=name,
        family=definition.name,
        input=definition.shape,
        classes=definition.classes or 0,
        tensors=tensors,
        anatomy=anatomy,
        stem=frozenset(),
        head=frozenset(),
        definition=canonical,
    )


def _anatomies(layout: Layout, counts: tuple[int, ...]) -> list[Stage]:
    """The stages of a member; where several share one numbering it runs through."""
    following: dict[str, int] = {}
    stages = []
    for stage, count in zip(layout.stages, counts, strict=True):
        pattern = stage.pattern.pattern
        start = following.get(pattern, stage.first)
        following[pattern] = start + count
        entries = []
        for position in range(count):
            prefix = pattern.replace("{unit}", str(start + position))
            names = {spec.name: f"{prefix}{spec.name}" for spec in stage.block(position, count)}
            entries.append(Entry(names, stage.is_fixed(position, count)))
        stages.append(Stage(stage.pattern.name, tuple(entries)))
    return stages


def _tensors(layout: Layout, anatomy: Anatomy, counts: tuple[int, ...]) -> list[TensorSpec]:
    """The tensors of a member in order."""
    tensors = []
    for place in layout.places:
        if isinstance(place, TensorSpec):
            tensors.append(place)
            continue
        for position, entry in enumerate(anatomy.stages[place].entries):
            block = layout.stages[place].block(position, counts[place])
            tensors += [TensorSpec(entry.tensors[spec.name], spec.shape, spec.role) for spec in block]
    return tensors


def _check_counts(layout: Layout, counts: tuple[int, ...]) -> None:
    """Refuse counts before anything of their size is built."""
    family = layout.definition.name
    if len(counts) != len(layout.stages):
        names = "-".join(stage.pattern.name for stage in layout.stages)
        accepted = f"entries of {names}, {len(layout.stages)} numbers" if names else "none, it has no stages"
        raise UnknownArchitecture(f"{family}: {len(counts)} numbers of entries; accepted: {accepted}")
    values = sum(spec.size for spec in layout.loose)
    # A ticket file holds two tensors for each prunable one.
    stored = sum(1 + spec.prunable for spec in layout.loose)
    for stage, count in zip(layout.stages, counts, strict=True):
        _check_count(stage, count, family)
        for position, block in enumerate(stage.entries):
            fixed = stage.is_fixed(position, len(stage.entries))
            times = 1 if fixed else count - stage.fixed if position == stage.head else 0
            values += times * sum(spec.size for spec in block)
            stored += times * sum(1 + spec.prunable for spec in block)
    if values > MOST_VALUES:
        raise UnknownArchitecture(f"{family}: {values} values; at most {MOST_VALUES}")
    if stored > MOST_TENSORS:
        raise UnknownArchitecture(f"{family}: {stored} tensors in a ticket file; at most {MOST_TENSORS}")


def _check_count(stage: StageLayout, count: int, family: str) -> None:
    least, most = max(1, stage.fixed), MOST_TENSORS if stage.repeats else stage.fixed
    if not least <= count <= most:
        raise UnknownArchitecture(
            f"{family}: stage {stage.pattern.name} cannot have {count} entries; "
            f"accepted: {least} to {most}, {stage.fixed} of them fixed"
        )


def _check_tensors(name: str, tensors: Sequence[TensorSpec]) -> None:
    """Refuse a name, or tensors, that no ticket could have."""
    if len(name) > LONGEST_NAME:
        raise UnknownArchitecture(f"{name}: the name is too long; accepted: {LONGEST_NAME} characters")
    names = {spec.name for spec in tensors}
    if len(names) < len(tensors):
        raise UnknownArchitecture(f"{name}: two stages name their tensors alike at these counts")
    if any(len(tensor) > LONGEST_TENSOR_NAME for tensor in names):
        raise UnknownArchitecture(f"{name}: a tensor's name exceeds {LONGEST_TENSOR_NAME} characters")
    if not any(spec.prunable for spec in tensors):
        raise UnknownArchitecture(f"{name}: without its units it has nothing to prune")


def has_network(family: str) -> bool:
    """Whether the networks of a family can be run: built-in ones and timm's, not those that are known as data only."""
    return family in FAMILIES or family.startswith(TIMM)
