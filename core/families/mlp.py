"""`mlp_N[_W[_V]]`: N hidden layers of W, one of V, then the classes (E-LTH, appendix, table 5: 300 and 100).

`mlp_1` is the LeNet-300-100 of the Lottery Ticket Hypothesis (Frankle and Carbin, 2019, figure 2).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from itertools import pairwise

from core.elastic.anatomy import Anatomy, Stage
from core.families.architecture import Architecture
from core.families.family import Family, Grid, Member, Shapes, Sketch, UnknownArchitecture, fellow, repeats
from core.families.layers import Group, entry, linear, names, unscaled

DEEPEST = 1000
DEFAULT_WIDTH = 300
DEFAULT_LAST = 100
WIDEST = 16_384

_NAME = re.compile(r"mlp_(0|[1-9][0-9]*)(?:_(0|[1-9][0-9]*)(?:_(0|[1-9][0-9]*))?)?")
_LENET = re.compile(r"lenet((?:_(?:0|[1-9][0-9]*))+)_(0|[1-9][0-9]*)")

_USUAL_INPUT = {784: (1, 28, 28), 64: (1, 8, 8), 3072: (3, 32, 32)}


@dataclass(frozen=True)
class Mlp:
    """`depth` hidden layers of `width`, then one of `last`; the depth − 1 layers width → width are its units."""

    depth: int
    width: int = DEFAULT_WIDTH
    last: int = DEFAULT_LAST

    @property
    def name(self) -> str:
        """Canonical name: default widths are not spelled out."""
        last = "" if self.last == DEFAULT_LAST else f"_{self.last}"
        width = "" if self.width == DEFAULT_WIDTH and not last else f"_{self.width}"
        return f"mlp_{self.depth}{width}{last}"

    def widths(self, shape: tuple[int, int, int]) -> tuple[int, ...]:
        """Widths from the flattened input C·H·W to the last hidden layer."""
        return (math.prod(shape), *[self.width] * self.depth, self.last)

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Hidden layers `fc_layers.{i}`, then `fc`; the first and the last hidden layer are fixed entries."""
        pixels, *widths = self.widths(shape)
        groups = [unscaled(pixels), *(Group(f"fc_layers.{i}", width) for i, width in enumerate(widths))]
        hidden = [
            linear(f"fc_layers.{i}", inputs, outputs) for i, (inputs, outputs) in enumerate(pairwise(groups))
        ]
        output = linear("fc", groups[-1], unscaled(classes))
        entries = tuple(
            entry(f"fc_layers.{i}", layer, fixed=i in (0, self.depth)) for i, layer in enumerate(hidden)
        )
        return Architecture(
            name=self.name,
            family="mlp",
            input=shape,
            classes=classes,
            tensors=(*(spec for layer in hidden for spec in layer), *output),
            anatomy=Anatomy(stages=(Stage("hidden", entries),), fixed=names(output)),
            stem=frozenset(names(hidden[0])),
            head=frozenset(names(output)),
        )

    def places(self, image: Grid) -> dict[str, int]:
        """None: every layer is linear."""
        return {}

    def with_width_of(self, other: Member) -> Mlp:
        """As many layers, as wide as the other's."""
        wide = fellow(self, other)
        return replace(self, width=wide.width, last=wide.last)


def parse(name: str) -> Mlp | None:
    """Read `mlp_N[_W[_V]]`, or its alias `lenet_W_…_W_V` with N times W."""
    if match := _LENET.fullmatch(name):
        width, *others = match[1].removeprefix("_").split("_")
        if any(other != width for other in others):
            raise UnknownArchitecture(f"{name}: lenet_W_…_W_V needs one W for all hidden layers but the last")
        return _within_limits(name, 1 + len(others), int(width), int(match[2]))
    if match := _NAME.fullmatch(name):
        return _within_limits(
            name, int(match[1]), int(match[2] or DEFAULT_WIDTH), int(match[3] or DEFAULT_LAST)
        )
    return None


def _within_limits(name: str, depth: int, width: int, last: int) -> Mlp:
    if not 1 <= depth <= DEEPEST:
        raise UnknownArchitecture(f"{name}: mlp_N needs N from 1 to {DEEPEST}")
    if not (1 <= width <= WIDEST and 1 <= last <= WIDEST):
        raise UnknownArchitecture(f"{name}: mlp_N_W_V needs W and V from 1 to {WIDEST}")
    return Mlp(depth, width, last)


def recognise(shapes: Shapes) -> Sketch | None:
    """The widths are those of `fc_layers.0` and `fc`; the input is that of a usual dataset, or one row."""
    match shapes.get("fc_layers.0.weight"), shapes.get("fc.weight"):
        case (width, pixels), (classes, last):
            member = Mlp(repeats(shapes, "fc_layers.", ".weight") - 1, width, last)
            return Sketch(member.name, _USUAL_INPUT.get(pixels, (1, 1, pixels)), classes)
    return None


MLP = Family(
    name="mlp",
    pattern="mlp_N[_W[_V]]",
    limits=f"N from 1 to {DEEPEST}; widths W and V from 1 to {WIDEST}, {DEFAULT_WIDTH} and {DEFAULT_LAST} "
    "if not given; lenet_W_…_W_V with N times W is the same: lenet_300_100 is mlp_1",
    summary="Multilayer perceptron: N hidden layers of W, one of V. Units: the layers W → W.",
    examples=("mlp_2", "mlp_3", "mlp_4", "mlp_2_500"),
    parse=parse,
    recognise=recognise,
)
