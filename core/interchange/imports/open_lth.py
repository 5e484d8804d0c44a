"""`open_lth`: archived experiments of open_lth (Frankle et al., 2020) and ElasticLTH, all levels or one.

`replicate_R/level_L/main/` holds a level: `mask.pth`, models at steps `model_ep{E}_it{I}.pth`, a report. A ticket is
level L's mask and level 0's model at the step from which all levels start; rewound experiments keep that model in
level 0, and θ_0 in `level_pretrain`. Everything else of an experiment is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Arrays, Foreign, Given
from core.interchange.imports.format import Folder, Format, Source
from core.interchange.imports.states import state_of, ticket
from core.interchange.opening import open_pth
from core.tickets import InvalidTicket, strict_json

MASK, REPORT = "mask.pth", "sparsity_report.json"
PRETRAIN, BARE = "pretrain", ""
LARGEST_REPORT = 1 << 16
REPORT_TOLERANCE = 1e-6

HIGHEST_LEVEL = 1000
"""The highest that a ticket may say of itself."""

# One number has one spelling: level_1 and level_0001 would both be level 1.
_NUMBER = "0|[1-9][0-9]{0,%d}"
_LEVEL = re.compile(rf"(?:(?P<run>.+)/)?level_(?P<level>{_NUMBER % 3}|pretrain)/main/(?P<file>[^/]+)")
_BARE = re.compile(r"(?:main/)?(?P<file>[^/]+)")
_MODEL = re.compile(rf"model_ep({_NUMBER % 8})_it({_NUMBER % 8})\.pth")
_MODEL_NAME = "model_ep{}_it{}.pth"
_REPLICATE = re.compile(rf"(?:^|/)replicate_({_NUMBER % 8})(?:/|$)")


class Step(NamedTuple):
    """A training step as these files name it."""

    epoch: int
    iteration: int


@dataclass
class _Level:
    """The files of one level."""

    files: dict[str, Path] = field(default_factory=dict)

    @property
    def models(self) -> dict[Step, Path]:
        """The models, earliest first."""
        steps = {
            Step(int(m[1]), int(m[2])): path
            for name, path in self.files.items()
            if (m := _MODEL.fullmatch(name))
        }
        return dict(sorted(steps.items()))


_Run = dict[str, _Level]


def is_read(name: str) -> bool:
    """Whether a member of an archive is looked at."""
    return bool(_place(name))


def recognises(source: Source) -> bool:
    """Whether there is a mask where a level keeps it."""
    if not isinstance(source, Folder):
        return False
    return any(MASK in level.files for run in _runs(source).values() for level in run.values())


def read(source: Source, given: Given) -> list[Foreign]:
    """One ticket per replicate and level, lowest first; level 0 is the dense network."""
    assert isinstance(source, Folder)
    found = []
    for name, run in sorted(_runs(source).items()):
        states: dict[Path, Arrays] = {}
        for label in sorted(
            (label for label in run if label != PRETRAIN and MASK in run[label].files), key=_number
        ):
            level = given.level if label == BARE else int(label)
            if given.level in (None, level):
                if level is not None and level > HIGHEST_LEVEL:
                    raise Unreadable(Reason.LEVEL_TOO_HIGH, f"level_{level}", f"levels 0 to {HIGHEST_LEVEL}")
                seed = _REPLICATE.search(name)
                foreign = _ticket(_Reader(source, states), run, label, replace(given, level=level))
                found.append(replace(foreign, seed=int(seed[1]) if seed else None))
    if not found:
        wanted = "level_L" if given.level is None else f"level_{given.level}"
        raise Unreadable(Reason.LEVEL_MISSING, "archive", f"{wanted}/main/{MASK}")
    return found


def _ticket(reader: _Reader, run: _Run, label: str, given: Given) -> Foreign:
    own, first = run[label], run.get("0", run[label])
    start = first if first.models else own
    step, rewind_step = _start(start, given)
    weights = reader.state(start.models[step])
    masks = reader.state(own.files[MASK])
    foreign = ticket(
        weights, masks, replace(given, rewind_step=rewind_step), {"model": _MODEL_NAME.format(*step)}
    )
    _check_report(own, foreign)
    # A model in a later level's folder is masked already: only these two hold θ_0 whole.
    for level in (run.get("0"), run.get(PRETRAIN)):
        if level and Step(0, 0) in level.models:
            initial = ticket(reader.state(level.models[Step(0, 0)]), {}, given).weights
            return replace(foreign, initial=initial)
    return foreign


def _start(level: _Level, given: Given) -> tuple[Step, int]:
    """The step whose model the level restarts from: the one that was asked for, or the earliest."""
    if not level.models:
        raise Unreadable(
            Reason.MEMBER_MISSING, "archive", "a model_epE_itI.pth in level_0/main, or beside the mask"
        )
    if given.rewind_step is None:
        step = next(iter(level.models))
        return step, _in_steps(step, given)
    for step in level.models:
        if (step.epoch == 0 or given.steps_per_epoch) and _in_steps(step, given) == given.rewind_step:
            return step, given.rewind_step
    there = ", ".join(_MODEL_NAME.format(*step) for step in level.models)
    raise Unreadable(Reason.STEP_UNKNOWN, f"rewind_step {given.rewind_step}", f"the step of one of {there}")


def _in_steps(step: Step, given: Given) -> int:
    if step.epoch == 0:
        return step.iteration
    if given.steps_per_epoch is None:
        raise Unreadable(
            Reason.STEP_UNKNOWN, _MODEL_NAME.format(*step), "a file sent with its steps_per_epoch"
        )
    return step.epoch * given.steps_per_epoch + step.iteration


def _check_report(level: _Level, foreign: Foreign) -> None:
    """The report's `sparsity_ratio`, which is the density, must be the mask's; so must `unpruned` of `total`."""
    path = level.files.get(REPORT)
    if path is None or not foreign.masks:
        return
    try:
        if path.stat().st_size > LARGEST_REPORT:
            raise ValueError("too long")
        report = strict_json.loads(path.read_text("utf-8"), REPORT)
        if type(report) is not dict:
            raise ValueError("not an object")
        claimed = {key: report[key] for key in ("sparsity_ratio", "unpruned", "total") if key in report}
        if any(type(value) not in (int, float) for value in claimed.values()):
            raise ValueError("not a number")
    except (InvalidTicket, ValueError) as problem:
        raise Unreadable(Reason.REPORT_SYNTAX, REPORT, "an object of numbers in JSON") from problem
    total = sum(mask.size for mask in foreign.masks.values())
    kept = sum(int(mask.sum()) for mask in foreign.masks.values())
    expected = {"sparsity_ratio": kept / total, "unpruned": kept, "total": total}
    for key, value in claimed.items():
        if abs(value - expected[key]) > REPORT_TOLERANCE:
            raise Unreadable(
                Reason.REPORT_DISAGREES, f"{REPORT}, {key}", f"{expected[key]}, which the mask has"
            )


@dataclass
class _Reader:
    """Opens each model once, however many levels start from it."""

    folder: Folder
    states: dict[Path, Arrays]

    def state(self, path: Path) -> Arrays:
        """The state dict of a file, without the `model.` that wraps ImageNet networks."""
        if path not in self.states:
            state, _ = state_of(open_pth(path, self.folder.limit, self.folder.effort))
            wrapped = all(name.startswith("model.") for name in state)
            self.states[path] = {
                name.removeprefix("model.") if wrapped else name: v for name, v in state.items()
            }
        return self.states[path]


def _number(label: str) -> int:
    return int(label or 0)


def _place(name: str) -> tuple[str, str, str] | None:
    """Run, level and file of a member's name; a level's own folder may come without the folders above it."""
    match = _LEVEL.fullmatch(name) or _BARE.fullmatch(name)
    if match is None or not (match["file"] in (MASK, REPORT) or _MODEL.fullmatch(match["file"])):
        return None
    groups = match.groupdict()
    return groups.get("run") or "", groups.get("level") or BARE, match["file"]


def _runs(folder: Folder) -> dict[str, _Run]:
    runs: dict[str, _Run] = {}
    for name, path in folder.files.items():
        if place := _place(name):
            run, level, file = place
            runs.setdefault(run, {}).setdefault(level, _Level()).files[file] = path
    return runs


FORMAT = Format("open_lth", "Archived experiment of open_lth or ElasticLTH", recognises, read)
