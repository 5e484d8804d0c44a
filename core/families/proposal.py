"""Reads from a state dict's names and shapes which modules repeat: a first draft of a definition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple, TypeAlias

from core.families.definition import BadDefinition, Definition, made_definition
from core.families.posted import posted_architecture

Form: TypeAlias = tuple[tuple[int, ...], str]
Tensors: TypeAlias = Mapping[str, tuple[Sequence[int], str]]
"""Shape and type (`F32`, `I64`) of each tensor, in state-dict order."""

_TABLES = (
    "embedding",
    "embed_tokens",
    "embed.weight",
    "position",
    "wte",
    "wpe",
    "shared.",
    "relative_attention_bias",
)
"""What the names of embeddings and position tables contain; networks are pruned without them."""
_WEIGHT = re.compile(r"(.*_)?weight(_.*)?")
_NUMBERED = re.compile(r"(|.*[^0-9])(0|[1-9][0-9]{0,5})")
_MOST_STAGES = 64


def propose(
    name: str,
    tensors: Tensors,
    *,
    input: Sequence[int] | None = None,  # noqa: A002
    classes: int | None = None,
) -> Definition:
    """A definition of this example that can be posted as it is, or changed first.

    Units are numbered modules whose tensors have the same names and shapes: at the outermost numbering where two
    neighbours do, otherwise within. Neighbours that differ become fixed entries, such as the block that changes the
    shape. Where nothing repeats there are no stages. Raises `BadDefinition` for tensors that no network can have,
    and where none looks like a weight.
    """
    forms = {tensor: (tuple(shape), dtype) for tensor, (shape, dtype) in tensors.items()}
    weights = [tensor for tensor, form in forms.items() if _is_weight(tensor, form)]
    fields: dict[str, Any] = {
        "name": name,
        "input": input,
        "classes": classes,
        "prunable": _globs(weights),
        "dense": _tables(weights),
        "tensors": [{"name": tensor, "shape": s, "dtype": dtype} for tensor, (s, dtype) in forms.items()],
    }
    plain = made_definition(fields)
    posted_architecture(plain)
    try:
        drafted = made_definition(fields | {"stages": _named(_within("", forms).stages)})
        posted_architecture(drafted)
    except BadDefinition:
        return plain
    return drafted


def _is_weight(tensor: str, form: Form) -> bool:
    shape, dtype = form
    return len(shape) >= 2 and dtype == "F32" and _WEIGHT.fullmatch(tensor.rpartition(".")[2]) is not None


def _globs(weights: Sequence[str]) -> list[str]:
    """`*.weight`, and what else the weights are called."""
    last = {("*." if "." in tensor else "") + tensor.rpartition(".")[2] for tensor in weights}
    return sorted(last) or ["*.weight"]


def _tables(weights: Sequence[str]) -> list[str]:
    """Globs of the embeddings among the weights; none where nothing else would be left to prune."""
    words = [word for word in _TABLES if any(word in tensor for tensor in weights)]
    left = [tensor for tensor in weights if not any(word in tensor for word in words)]
    return [f"*{word}*" for word in words] if left else []


class _Found(NamedTuple):
    """A stage that was found: what stands before the number in its names, and what a definition says of it."""

    before: str
    fixed: tuple[int, ...]
    units: tuple[int, int]
    shares: int
    """Which of the stages of this numbering it is, from 1; 0 if it is the only one."""


class _Finding(NamedTuple):
    """The stages below a module; `sure` where two neighbours are equal, not only alike enough to be."""

    stages: list[_Found]
    sure: bool


def _within(module: str, forms: Mapping[str, Form]) -> _Finding:
    """The stages below `module`, whose tensors `forms` names without it: what is sure before what is guessed, and
    what is outside before what is inside.
    """
    children: dict[str, dict[str, Form]] = {}
    for tensor, form in forms.items():
        child, dot, local = tensor.partition(".")
        if dot:
            children.setdefault(child, {})[local] = form
    sure: list[_Found] = []
    guessed: list[_Found] = []
    for prefix, numbers in _numberings(children):
        blocks = [children[f"{prefix}{number}"] for number in numbers]
        runs = list(_runs(blocks))
        if any(stop - start > 1 for start, stop in runs):
            sure += _stages(f"{module}{prefix}", numbers[0], blocks, runs)
            for number in numbers:
                del children[f"{prefix}{number}"]
        elif not prefix:
            guessed = _stages(module, numbers[0], blocks, runs)
    below = [_within(f"{module}{child}.", inside) for child, inside in children.items()]
    if sure:
        return _Finding([*sure, *(stage for found in below if found.sure for stage in found.stages)], True)
    inside_all = [stage for found in below for stage in found.stages]
    if any(found.sure for found in below):
        return _Finding(inside_all, True)
    return _Finding(guessed or inside_all, False)


def _numberings(children: Mapping[str, Mapping[str, Form]]) -> Iterator[tuple[str, list[int]]]:
    """What stands before a number in the children's names, and the numbers, where they have no gap.

    Parts of one block are numbered too (`conv1`, `conv2`): a number in a name counts only where modules are inside.
    """
    found: dict[str, list[int]] = {}
    for child, inside in children.items():
        match = _NUMBERED.fullmatch(child)
        if match is not None and (not match[1] or any("." in local for local in inside)):
            found.setdefault(match[1], []).append(int(match[2]))
    for prefix, numbers in found.items():
        numbers.sort()
        if all(following == number + 1 for number, following in pairwise(numbers)):
            yield prefix, numbers


def _runs(blocks: Sequence[Mapping[str, Form]]) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each longest run of equal blocks."""
    start = 0
    for _, equal in groupby(blocks, lambda block: sorted(block.items())):
        stop = start + len(list(equal))
        yield start, stop
        start = stop


def _stages(
    before: str, first: int, blocks: Sequence[Mapping[str, Form]], runs: Sequence[tuple[int, int]]
) -> list[_Found]:
    """One stage per run of units. What stands before a run is fixed at its head; what follows the last, at its tail."""
    units = [(start, stop) for start, stop in runs if stop - start > 1 or _could_repeat(blocks, start)]
    begins = [0, *(stop for _, stop in units)]
    found = []
    for i, (start, stop) in enumerate(units):
        tail = len(blocks) - stop if i == len(units) - 1 else 0
        fixed = (*range(start - begins[i]), *range(-tail, 0))
        last = first + stop + tail - 1
        found.append(_Found(before, fixed, (first + begins[i], last), i + 1 if len(units) > 1 else 0))
    return found


def _could_repeat(blocks: Sequence[Mapping[str, Form]], position: int) -> bool:
    """Whether a block that stands alone can follow itself: it gives as many channels as it takes, and a neighbour has
    the tensors that it has.
    """
    block = blocks[position]
    weights = [shape for name, (shape, dtype) in block.items() if _is_weight(name, (shape, dtype))]
    if not weights:
        return False
    depthwise = len(weights[0]) > 2 and weights[0][1] == 1
    takes = weights[0][0] if depthwise else weights[0][1]
    neighbours = [*blocks[max(0, position - 1) : position], *blocks[position + 1 : position + 2]]
    return takes == weights[-1][0] and any(_has_alike(other, block) for other in neighbours)


def _has_alike(other: Mapping[str, Form], block: Mapping[str, Form]) -> bool:
    return all(name in other and len(other[name][0]) == len(shape) for name, (shape, _) in block.items())


def _named(found: Sequence[_Found]) -> list[dict[str, Any]]:
    """The stages of a definition, called after their modules: by as many of the last words as tell them apart."""
    for words in range(1, 10):
        names = [_name(stage, words) for stage in found]
        if len(set(names)) == len(found) <= _MOST_STAGES:
            break
    else:
        return []
    return [
        {
            "name": name,
            "pattern": f"{stage.before}{{unit}}.",
            "fixed": stage.fixed,
            "units": stage.units if stage.shares else None,
        }
        for name, stage in zip(names, found, strict=True)
    ]


def _name(stage: _Found, words: int) -> str:
    last = re.sub(r"\W", "_", "_".join(stage.before.split(".")[:-1][-words:]).lower())
    name = last if re.match("[a-z]", last) else f"stage_{last}" if last else "stage"
    name = name[-34:].lstrip("_0123456789")
    return f"{name}_{stage.shares}" if stage.shares else name
