"""`cifar_vgg_D[_W][_fcK]`: VGG (Simonyan and Zisserman, 2015, table 1) with BN, for images of 32 × 32.

E-LTH carries tickets between its depths by conv layers, and between `_fcK` by fully connected layers (appendix,
table 5). A max-pool ends each of the first four stages, where the reference has one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from core.elastic.anatomy import Anatomy, Stage
from core.families.architecture import Architecture, TensorSpec
from core.families.family import Family, Grid, Member, Shapes, Sketch, UnknownArchitecture, fellow, repeats
from core.families.layers import Group, batch_norm, convolution, entry, linear, names, unscaled

SIDE = 32
DEFAULT_WIDTH = 64
WIDEST = 1024
MOST_FC = 100

CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Per depth, the conv layers of each stage."""

_NAME = re.compile(r"cifar_vgg_(0|[1-9][0-9]*)(?:_(0|[1-9][0-9]*))?(?:_fc(0|[1-9][0-9]*))?")


@dataclass(frozen=True)
class CifarVgg:
    """Five stages of conv layers at 1, 2, 4, 8 and 8 times the width, then `fc` linear layers."""

    depth: int
    width: int = DEFAULT_WIDTH
    fc: int = 1

    @property
    def name(self) -> str:
        """Canonical name: the default width and a single linear layer are not spelled out."""
        width = "" if self.width == DEFAULT_WIDTH else f"_{self.width}"
        fc = "" if self.fc == 1 else f"_fc{self.fc}"
        return f"cifar_vgg_{self.depth}{width}{fc}"

    @property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """Per stage, the indices of its conv layers in `layers`: a max-pool takes the index between two stages."""
        stages, start = [], 0
        for count in CONVOLUTIONS[self.depth]:
            stages.append(tuple(range(start, start + count)))
            start += count + 1
        return tuple(stages)

    @property
    def channels(self) -> dict[int, int]:
        """Output channels of each conv layer, by its index in `layers`."""
        widths = (self.width, 2 * self.width, 4 * self.width, 8 * self.width, 8 * self.width)
        return {i: width for stage, width in zip(self.stages, widths, strict=True) for i in stage}

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Conv layers `layers.{i}`, linear ones `classifier.{0, 2, …}` (ReLU takes the odd indices) and `fc`."""
        if shape[1:] != (SIDE, SIDE):
            raise UnknownArchitecture(f"{self.name} on {list(shape)}: the input must be [C, {SIDE}, {SIDE}]")
        inputs = unscaled(shape[0])
        tensors: list[TensorSpec] = []
        stages = []
        for s, stage in enumerate(self.stages, 1):
            entries = []
            for i in stage:
                outputs = Group(f"layers.{i}", self.channels[i])
                layer = _layer_tensors(outputs.name, inputs, outputs)
                entries.append(entry(outputs.name, layer, fixed=i == stage[0]))
                tensors += layer
                inputs = outputs
            stages.append(Stage(f"stage{s}", tuple(entries)))
        hidden = []
        for k in range(self.fc - 1):
            outputs = Group(f"classifier.{2 * k}", inputs.size)
            layer = linear(outputs.name, inputs, outputs)
            hidden.append(entry(outputs.name, layer, fixed=False))
            tensors += layer
            inputs = outputs
        stages.append(Stage("classifier", tuple(hidden)))
        head = linear("fc", inputs, unscaled(classes))
        return Architecture(
            name=self.name,
            family="cifar_vgg",
            input=shape,
            classes=classes,
            tensors=(*tensors, *head),
            anatomy=Anatomy(stages=tuple(stages), fixed=names(head)),
            stem=frozenset(stages[0].entries[0].tensors.values()),
            head=frozenset(names(head)),
        )

    def places(self, image: Grid) -> dict[str, int]:
        """Half the side from stage to stage."""
        found = dict[str, int]()
        grid = image
        for stage in self.stages:
            found |= {f"layers.{i}.conv.weight": grid.size for i in stage}
            grid = grid.strided(2)
        return found

    def with_width_of(self, other: Member) -> CifarVgg:
        """As many layers, as wide as the other's."""
        return replace(self, width=fellow(self, other).width)


def _layer_tensors(name: str, inputs: Group, outputs: Group) -> tuple[TensorSpec, ...]:
    return (
        *convolution(f"{name}.conv", inputs, outputs, 3, bias=True),
        *batch_norm(f"{name}.bn", outputs),
    )


def parse(name: str) -> CifarVgg | None:
    """Read `cifar_vgg_D[_W][_fcK]`; `_fc1` is no suffix."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    depth, width, fc = int(match[1]), int(match[2] or DEFAULT_WIDTH), int(match[3] or 1)
    if depth not in CONVOLUTIONS:
        raise UnknownArchitecture(f"{name}: cifar_vgg_D needs D one of {', '.join(map(str, CONVOLUTIONS))}")
    if not 1 <= width <= WIDEST:
        raise UnknownArchitecture(f"{name}: cifar_vgg_D_W needs W from 1 to {WIDEST}")
    if not 1 <= fc <= MOST_FC:
        raise UnknownArchitecture(f"{name}: cifar_vgg_D_fcK needs K from 1 to {MOST_FC}")
    return CifarVgg(depth, width, fc)


def recognise(shapes: Shapes) -> Sketch | None:
    """The depth follows from the number of conv layers, the width from the first, K from the classifier."""
    # Conv layers and the three fully connected ones of the original give the depth its number.
    depth = repeats(shapes, "layers.", ".conv.weight") + 3
    match shapes.get("layers.0.conv.weight"), shapes.get("fc.weight"):
        case (width, channels, _, _), (classes, _):
            member = CifarVgg(depth, width, repeats(shapes, "classifier.", ".weight") + 1)
            return Sketch(member.name, (channels, SIDE, SIDE), classes)
    return None


CIFAR_VGG = Family(
    name="cifar_vgg",
    pattern="cifar_vgg_D[_W][_fcK]",
    limits=f"D one of {', '.join(map(str, CONVOLUTIONS))}; W, the width, from 1 to {WIDEST}, {DEFAULT_WIDTH} if not "
    f"given; K, the linear layers, from 1 to {MOST_FC}, 1 if not given; images of {SIDE} × {SIDE}",
    summary="VGG with batch normalisation: five stages of conv layers, K linear layers. "
    "Units: the conv layers after the first of each stage, and the linear layers before the last.",
    examples=("cifar_vgg_13", "cifar_vgg_16", "cifar_vgg_13_fc3", "cifar_vgg_16_32"),
    parse=parse,
    recognise=recognise,
)
