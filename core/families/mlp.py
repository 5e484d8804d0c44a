"""`mlp_N`: N hidden layers of 300, one of 100, then the classes (E-LTH, appendix, table 5).

`mlp_1` is the LeNet-300-100 of the Lottery Ticket Hypothesis (Frankle and Carbin, 2019, figure 2).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise

from core.elastic.anatomy import Anatomy, Stage
from core.families.architecture import Architecture
from core.families.family import Family, UnknownArchitecture
from core.families.layers import entry, linear

DEEPEST = 1000

_NAME = re.compile(r"mlp_(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class Mlp:
    """`depth` hidden layers of 300, then one of 100; the depth − 1 layers 300 → 300 are its units."""

    depth: int

    @property
    def name(self) -> str:
        """Canonical name."""
        return f"mlp_{self.depth}"

    def widths(self, shape: tuple[int, int, int]) -> tuple[int, ...]:
        """Widths from the flattened input C·H·W to the last hidden layer."""
        return (math.prod(shape), *[300] * self.depth, 100)

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Hidden layers `fc_layers.{i}`, then `fc`; the first and the last hidden layer are fixed entries."""
        hidden = [
            linear(f"fc_layers.{i}", inputs, outputs)
            for i, (inputs, outputs) in enumerate(pairwise(self.widths(shape)))
        ]
        output = linear("fc", 100, classes)
        entries = tuple(
            entry(f"fc_layers.{i}", layer, fixed=i in (0, self.depth)) for i, layer in enumerate(hidden)
        )
        head = tuple(spec.name for spec in output)
        return Architecture(
            name=self.name,
            family="mlp",
            input=shape,
            classes=classes,
            tensors=(*(spec for layer in hidden for spec in layer), *output),
            anatomy=Anatomy(stages=(Stage("hidden", entries),), fixed=head),
            stem=frozenset(spec.name for spec in hidden[0]),
            head=frozenset(head),
        )


def parse(name: str) -> Mlp | None:
    """Read `mlp_N` or its alias `lenet_300_100`."""
    if name == "lenet_300_100":
        return Mlp(1)
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    depth = int(match[1])
    if not 1 <= depth <= DEEPEST:
        raise UnknownArchitecture(f"{name}: mlp_N needs N from 1 to {DEEPEST}")
    return Mlp(depth)


MLP = Family(
    name="mlp",
    pattern="mlp_N",
    limits=f"N from 1 to {DEEPEST}; lenet_300_100 is mlp_1",
    summary="Multilayer perceptron: N hidden layers of 300, one of 100. Units: the layers 300 → 300.",
    examples=("mlp_2", "mlp_3", "mlp_4"),
    parse=parse,
)
