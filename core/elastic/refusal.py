"""Why a transformation is refused: one enum of precise reasons, and the exception that carries one."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What is wrong with a unit map, or with the pair of networks it is to connect.

    `not_stretched` to `chosen_absent` concern the choice of units to replicate; `axes_differ` a tensor whose
    axes do not name each of its dimensions, `widths_differ` two tensors that disagree on a group's channels.
    `weights_missing`: what was asked for needs dense weights that were not kept;
    `undrawable`: it needs initial values of a tensor whose initialisation is not known.
    """

    BAD_SYNTAX = "bad_syntax"
    WRONG_ORDER = "wrong_order"
    UNKNOWN_STAGE = "unknown_stage"
    NOT_STRETCHED = "not_stretched"
    NOTHING_CHOSEN = "nothing_chosen"
    CHOSEN_TWICE = "chosen_twice"
    CHOSEN_FIXED = "chosen_fixed"
    CHOSEN_ABSENT = "chosen_absent"
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
    AXES_DIFFER = "axes_differ"
    WIDTHS_DIFFER = "widths_differ"
    WEIGHTS_MISSING = "weights_missing"
    UNDRAWABLE = "undrawable"


class Refused(ValueError):
    """A transformation that cannot be done, and what would be accepted instead.

    `unit` is a position in the stage's entries, fixed ones counted, as in a unit map: of the source for
    `fixed_dropped`, `fixed_replicated`, `fixed_moved` and the `chosen_` reasons, otherwise of the target.
    `stage` and `unit` are None where the refusal concerns no single stage or unit.
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
