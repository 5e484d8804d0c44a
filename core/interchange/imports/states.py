"""State dicts inside checkpoints: where they are, what their names are, and which of their tensors are masks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.families.architecture import LONGEST_TENSOR_NAME, is_tensor_name
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Arrays, Foreign, Given
from core.interchange.imports import values
from core.interchange.imports.format import File, Source
from core.tickets.failure import quoted
from core.tickets.header import MAX_TENSORS

USUAL_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
"""Where training scripts keep a state dict in a checkpoint; the first of them counts."""


def state_of(tree: Mapping[str, Any]) -> tuple[Arrays, list[str]]:
    """The tensors of the network in a checkpoint by their names, and the names of what is beside them.

    It is the mapping of tensors under the first of `USUAL_KEYS`; else the file itself, if it has tensors; else the
    only mapping of tensors in it. What wraps a network is not part of a name: `module.` in front (DataParallel) and
    `_orig_mod.` anywhere (torch.compile) are taken off.
    """
    found = next((tree[key] for key in USUAL_KEYS if _has_tensors(tree.get(key))), None)
    if found is None and _has_tensors(tree):
        found = tree
    if found is None:
        inner = [value for value in tree.values() if _has_tensors(value)]
        if len(inner) != 1:
            reason = Reason.STATE_AMBIGUOUS if inner else Reason.STATE_MISSING
            accepted = f"a state dict, or a checkpoint with one under {', '.join(USUAL_KEYS)}"
            raise Unreadable(reason, "file", accepted)
        found = inner[0]
    beside = [quoted(name).strip("'") for name, value in found.items() if not isinstance(value, np.ndarray)]
    return unwrapped({name: value for name, value in found.items() if isinstance(value, np.ndarray)}), beside


def tensors_of(source: Source) -> Arrays:
    """The same tensors for a format to recognise; none where `state_of` would refuse, which `read` is to explain."""
    if not isinstance(source, File):
        return {}
    try:
        return state_of(source.tree)[0]
    except Unreadable:
        return {}


def _has_tensors(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(name, str) for name in value)
        and any(isinstance(item, np.ndarray) for item in value.values())
    )


def unwrapped(named: Mapping[str, Any]) -> dict[str, Any]:
    """The same under names without `module.` and `_orig_mod.`; all of them must be names that a ticket may use."""
    names = {name: re.sub(r"(^|\.)_orig_mod\.", r"\1", checked_name(name)) for name in named}
    while names and all(name.startswith("module.") for name in names.values()):
        names = {name: short.removeprefix("module.") for name, short in names.items()}
    if len(set(names.values())) < len(names):
        raise Unreadable(Reason.STATE_AMBIGUOUS, "state dict", "names that differ without _orig_mod.")
    return {short: named[name] for name, short in names.items()}


def split(state: Arrays, bases: Mapping[str, str]) -> tuple[Arrays, Arrays]:
    """Weights and masks of a state dict; `bases` gives the weight's name for the name of each mask."""
    masks: Arrays = {}
    for name, base in bases.items():
        if base in masks:
            raise Unreadable(Reason.STATE_AMBIGUOUS, quoted(name), "one mask for each tensor")
        masks[base] = state[name]
    return {name: array for name, array in state.items() if name not in bases}, masks


def masks_beside(names: Iterable[str], *suffixes: str) -> dict[str, str]:
    """The names that are another of the names with a suffix, with that other name."""
    known = set(names)
    return {
        name: base
        for name in names
        for suffix in suffixes
        if name.endswith(suffix) and (base := name.removesuffix(suffix)) in known
    }


def ticket(
    weights: Mapping[str, NDArray[Any]],
    masks: Mapping[str, NDArray[Any]] | None,
    given: Given,
    details: dict[str, Any] | None = None,
) -> Foreign:
    """One ticket of raw weights and masks, checked and in the types of a ticket.

    Masks of biases and normalisation, which some tools keep as well, must be all ones and are dropped.
    """
    details = {key: value for key, value in (details or {}).items() if value}
    if len(weights) > MAX_TENSORS:
        raise Unreadable(Reason.TOO_MANY_TENSORS, "file", f"at most {MAX_TENSORS} tensors")
    rounded: list[str] = []
    sound = {name: values.weight(name, array, rounded) for name, array in weights.items()}
    if rounded:
        details["rounded"] = rounded
    if masks is None:
        details["mask"] = "inferred from zeros"
        return Foreign(sound, None, rewind_step=given.rewind_step or 0, level=given.level, details=details)
    kept: dict[str, NDArray[np.bool_]] = {}
    for name, array in masks.items():
        if name not in sound:
            raise Unreadable(
                Reason.MASK_WITHOUT_WEIGHT, quoted(name), "masks of tensors that are in the file"
            )
        if array.shape != sound[name].shape:
            raise Unreadable(Reason.MASK_SHAPE, name, f"shape {list(sound[name].shape)}, as its weight has")
        mask = values.mask(name, array)
        if mask.ndim >= 2:
            kept[name] = mask
        elif not mask.all():
            raise Unreadable(
                Reason.MASK_NOT_PRUNABLE, name, "a mask of ones: biases and normalisation stay dense"
            )
    return Foreign(
        sound,
        kept,
        dense=any(bool(sound[name][~mask].any()) for name, mask in kept.items()),
        rewind_step=given.rewind_step or 0,
        level=given.level,
        details=details,
    )


def checked_name(name: str) -> str:
    """A name that a ticket may use."""
    if not is_tensor_name(name):
        raise Unreadable(
            Reason.TENSOR_NAME,
            quoted(name),
            f"at most {LONGEST_TENSOR_NAME} letters, digits and _, joined by dots",
        )
    return name
