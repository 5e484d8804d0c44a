"""Why a transformation is refused: one enum of precise reasons, and the exception that carries one."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What is wrong with a unit map, or with the pair of networks it is to connect."""

    BAD_SYNTAX = "bad_syntax"
    WRONG_ORDER = "wrong_order"
    NOTHING_TO_REPLICATE = "nothing_to_replicate"
    UNKNOWN_SOURCE = "unknown_source"
    UNKNOWN_TARGET = "unknown_target"
    UNMAPPED_TARGET = "unmapped_target"
    MAPPED_TWICE = "mapped_twice"
    FIXED_REPLICATED = "fixed_replicated"
    FIXED_DROPPED = "fixed_dropped"
    FIXED_MOVED = "fixed_moved"
    STAGES_DIFFER = "stages_differ"
    FIXED_DIFFER = "fixed_differ"
    UNITS_DIFFER = "units_differ"
    SHAPES_DIFFER = "shapes_differ"


class Refused(ValueError):
    """A transformation that cannot be done, and what would be accepted instead.

    `unit` is a position in the stage's entries, fixed ones counted, as in a unit map: of the source for
    `fixed_dropped`, `fixed_replicated` and `fixed_moved`, otherwise of the target. `stage` and `unit` are
    None where the refusal concerns no single stage or unit.
    """

    def __init__(
        self, reason: Reason, detail: str, stage: str | None = None, unit: int | None = None
    ) -> None:
        super().__init__(reason, detail, stage, unit)
        self.reason = reason
        self.detail = detail
        self.stage = stage
        self.unit = unit

    def __str__(self) -> str:
        if self.stage is None:
            return self.detail
        where = f"stage {self.stage}" if self.unit is None else f"stage {self.stage}, unit {self.unit}"
        return f"{where}: {self.detail}"
