"""The residual networks of He et al. (2016, table 1) under torchvision's names, for large images and for small.

`imagenet_resnet_D[_W]` begins with a 7×7 convolution of stride 2 and a max-pool; `cifarhe_resnet_D[_W]` with a 3×3
convolution of stride 1 and no pool. The first block of each of the four stages is fixed, as in `cifar_resnet`.
ResNet-26, of basic blocks, is E-LTH's own (appendix, table 7); a bottleneck has its stride in the 3×3 convolution.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from core.elastic.anatomy import Anatomy, Stage
from core.families.architecture import Architecture, TensorSpec
from core.families.family import Family, Grid, Member, Shapes, Sketch, UnknownArchitecture, fellow, repeats
from core.families.layers import Group, batch_norm, convolution, entry, linear, names, unscaled

DEFAULT_WIDTH = 64
WIDEST = 1024
BASIC, BOTTLENECK = 1, 4
"""A block's output channels, as a multiple of its inner ones."""


class Layout(NamedTuple):
    """The kind of blocks, and how many each stage has."""

    expansion: int
    blocks: tuple[int, int, int, int]


LAYOUTS = {
    18: Layout(BASIC, (2, 2, 2, 2)),
    26: Layout(BASIC, (2, 3, 4, 3)),
    34: Layout(BASIC, (3, 4, 6, 3)),
    50: Layout(BOTTLENECK, (3, 4, 6, 3)),
    101: Layout(BOTTLENECK, (3, 4, 23, 3)),
    152: Layout(BOTTLENECK, (3, 8, 36, 3)),
}
"""Per depth."""


class Convolution(NamedTuple):
    """One convolution of a block; BN follows it."""

    inputs: int
    outputs: int
    kernel: int
    stride: int


@dataclass(frozen=True)
class Block:
    """One residual block; where it changes the shape its shortcut is a projection: 1×1 conv and BN."""

    inputs: int
    inner: int
    expansion: int
    stride: int

    @property
    def outputs(self) -> int:
        """Channels it writes."""
        return self.expansion * self.inner

    @property
    def projects(self) -> bool:
        """Whether the shape changes."""
        return self.stride != 1 or self.inputs != self.outputs

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Two of 3×3, or a 3×3 between two of 1×1."""
        if self.expansion == BASIC:
            return (
                Convolution(self.inputs, self.inner, 3, self.stride),
                Convolution(self.inner, self.outputs, 3, 1),
            )
        return (
            Convolution(self.inputs, self.inner, 1, 1),
            Convolution(self.inner, self.inner, 3, self.stride),
            Convolution(self.inner, self.outputs, 1, 1),
        )


@dataclass(frozen=True)
class TorchvisionResNet:
    """Stem of `width` channels, four stages whose blocks have 1, 2, 4 and 8 times as many inside."""

    family: ClassVar[str]
    depths: ClassVar[tuple[int, ...]]
    stem_kernel: ClassVar[int]
    stem_stride: ClassVar[int]
    pooled: ClassVar[bool]
    usual_side: ClassVar[int]

    depth: int
    width: int = DEFAULT_WIDTH

    @property
    def name(self) -> str:
        """Canonical name: the default width is not spelled out."""
        suffix = "" if self.width == DEFAULT_WIDTH else f"_{self.width}"
        return f"{self.family}_{self.depth}{suffix}"

    @property
    def stages(self) -> dict[str, tuple[Block, ...]]:
        """The blocks of each stage, by its module name; all stages but the first halve the image."""
        expansion, counts = LAYOUTS[self.depth]
        stages, inputs = {}, self.width
        for s, count in enumerate(counts):
            first = Block(inputs, 2**s * self.width, expansion, stride=2 if s else 1)
            inputs = first.outputs
            stages[f"layer{s + 1}"] = (first, *[replace(first, inputs=inputs, stride=1)] * (count - 1))
        return stages

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Stem `conv1`, `bn1`; `layer{s}.{i}`; head `fc` after global pooling, so any image size will do."""
        # Without a projection the first stage adds to what the stem writes: the two are one group of channels.
        stream = Group("stem" if self.stages["layer1"][0].projects else "layer1", self.width)
        stem = (
            *convolution("conv1", unscaled(shape[0]), stream, self.stem_kernel),
            *batch_norm("bn1", stream),
        )
        tensors, stages = [*stem], []
        for name, blocks in self.stages.items():
            entries = []
            for i, block in enumerate(blocks):
                outputs = Group(name, block.outputs)
                block_tensors = _block_tensors(f"{name}.{i}", block, stream, outputs)
                entries.append(entry(f"{name}.{i}", block_tensors, fixed=i == 0))
                tensors += block_tensors
                stream = outputs
            stages.append(Stage(name, tuple(entries)))
        head = linear("fc", stream, unscaled(classes))
        return Architecture(
            name=self.name,
            family=self.family,
            input=shape,
            classes=classes,
            tensors=(*tensors, *head),
            anatomy=Anatomy(stages=tuple(stages), fixed=names((*stem, *head))),
            stem=frozenset(names(stem)),
            head=frozenset(names(head)),
        )

    def places(self, image: Grid) -> dict[str, int]:
        """A max-pool of stride 2 may follow the stem; in a block one convolution has the stride, or none."""
        grid = image.strided(self.stem_stride)
        found = {"conv1.weight": grid.size}
        grid = grid.strided(2 if self.pooled else 1)
        for name, blocks in self.stages.items():
            for i, block in enumerate(blocks):
                for k, layer in enumerate(block.convolutions, 1):
                    grid = grid.strided(layer.stride)
                    found[f"{name}.{i}.conv{k}.weight"] = grid.size
                if block.projects:
                    found[f"{name}.{i}.downsample.0.weight"] = grid.size
        return found

    def with_width_of(self, other: Member) -> Self:
        """As many blocks, as wide as the other's."""
        return replace(self, width=fellow(self, other).width)

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read `FAMILY_D` or `FAMILY_D_W`."""
        match = re.fullmatch(rf"{cls.family}_(0|[1-9][0-9]*)(?:_(0|[1-9][0-9]*))?", name)
        if match is None:
            return None
        depth, width = int(match[1]), int(match[2] or DEFAULT_WIDTH)
        if depth not in cls.depths:
            raise UnknownArchitecture(
                f"{name}: {cls.family}_D needs D one of {', '.join(map(str, cls.depths))}"
            )
        if not 1 <= width <= WIDEST:
            raise UnknownArchitecture(f"{name}: {cls.family}_D_W needs W from 1 to {WIDEST}")
        return cls(depth, width)

    @classmethod
    def recognise(cls, shapes: Shapes) -> Sketch | None:
        """The depth follows from the blocks of each stage and their kind, the family from the stem's kernel."""
        first, second, third, fourth = (repeats(shapes, f"layer{s}.", ".conv1.weight") for s in (1, 2, 3, 4))
        expansion = BOTTLENECK if "layer1.0.conv3.weight" in shapes else BASIC
        layout = Layout(expansion, (first, second, third, fourth))
        depth = next((depth for depth in cls.depths if LAYOUTS[depth] == layout), None)
        match shapes.get("conv1.weight"), shapes.get("fc.weight"):
            case (width, channels, kernel, _), (classes, _) if depth and kernel == cls.stem_kernel:
                member = cls(depth, width)
                return Sketch(member.name, (channels, cls.usual_side, cls.usual_side), classes)
        return None


class ImagenetResNet(TorchvisionResNet):
    """A ResNet for images of about 224 × 224."""

    family = "imagenet_resnet"
    depths = (18, 26, 34, 50, 101, 152)
    stem_kernel, stem_stride, pooled = 7, 2, True
    usual_side = 224


class CifarHeResNet(TorchvisionResNet):
    """The same for images of about 32 × 32."""

    family = "cifarhe_resnet"
    depths = (18, 26, 34, 50)
    stem_kernel, stem_stride, pooled = 3, 1, False
    usual_side = 32


def _block_tensors(name: str, block: Block, inputs: Group, outputs: Group) -> tuple[TensorSpec, ...]:
    tensors: list[TensorSpec] = []
    reads = inputs
    for k, plan in enumerate(block.convolutions, 1):
        last = k == len(block.convolutions)
        writes = outputs if last else Group(f"{name}.conv{k}", plan.outputs)
        tensors += convolution(f"{name}.conv{k}", reads, writes, plan.kernel)
        tensors += batch_norm(f"{name}.bn{k}", writes)
        reads = writes
    if block.projects:
        tensors += convolution(f"{name}.downsample.0", inputs, outputs, 1)
        tensors += batch_norm(f"{name}.downsample.1", outputs)
    return tuple(tensors)


def _limits(member: type[TorchvisionResNet]) -> str:
    depths = ", ".join(map(str, member.depths))
    return f"D one of {depths}; W, the width, from 1 to {WIDEST}, {DEFAULT_WIDTH} if not given"


IMAGENET_RESNET = Family(
    name="imagenet_resnet",
    pattern="imagenet_resnet_D[_W]",
    limits=_limits(ImagenetResNet),
    summary="Residual network for large images, torchvision's layout and names: four stages of basic or bottleneck "
    "blocks. Units: the blocks after the first of each stage.",
    examples=("imagenet_resnet_18", "imagenet_resnet_26", "imagenet_resnet_34", "imagenet_resnet_50"),
    parse=ImagenetResNet.parse,
    recognise=ImagenetResNet.recognise,
)

CIFARHE_RESNET = Family(
    name="cifarhe_resnet",
    pattern="cifarhe_resnet_D[_W]",
    limits=_limits(CifarHeResNet),
    summary="The same residual network for small images: its stem has a 3 × 3 kernel, stride 1 and no max-pool. "
    "Units: the blocks after the first of each stage.",
    examples=("cifarhe_resnet_18", "cifarhe_resnet_34", "cifarhe_resnet_18_32"),
    parse=CifarHeResNet.parse,
    recognise=CifarHeResNet.recognise,
)
