"""Which parts of two networks correspond before any unit is mapped: stages, and their fixed entries."""

from __future__ import annotations

from core.elastic.anatomy import Anatomy, Stage
from core.elastic.refusal import Reason, Refused


def paired_stages(source: Anatomy, target: Anatomy) -> tuple[tuple[Stage, Stage], ...]:
    """The stages of both networks, pairwise.

    Raises `Refused` when their names or numbers differ, or a stage's number of fixed entries.
    """
    names = [stage.name for stage in source.stages]
    wanted = [stage.name for stage in target.stages]
    if names != wanted:
        raise Refused(
            Reason.STAGES_DIFFER,
            f"the source has the stages {', '.join(names)} and the target {', '.join(wanted)}; "
            "a ticket moves between members of one family",
        )
    pairs = tuple(zip(source.stages, target.stages, strict=True))
    for old, new in pairs:
        if len(old.fixed) != len(new.fixed):
            raise Refused(
                Reason.FIXED_DIFFER,
                f"the source has {len(old.fixed)} fixed entries and the target {len(new.fixed)}; "
                "they must be as many, for each is carried to its counterpart",
                old.name,
            )
    return pairs


def counterparts(old: Stage, new: Stage) -> dict[int, int]:
    """For each fixed entry of the target stage its counterpart: target position → source position.

    Fixed entries stand at the head or the tail of a stage, so the k-th corresponds to the k-th: at the head
    to the same position, at the tail to the same distance from the end.
    """
    return dict(zip(new.fixed, old.fixed, strict=True))
