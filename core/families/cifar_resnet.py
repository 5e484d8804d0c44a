"""`cifar_resnet_D[_W]`: the residual networks of He et al. (2016, section 4.2) with projection shortcuts.

E-LTH (section 3) stretches and squeezes them by whole residual blocks; the first block of a stage is fixed,
because it is the one that changes the shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from core.elastic.anatomy import Anatomy, Stage
from core.families.architecture import Architecture, TensorSpec
from core.families.family import Family, Grid, Member, Shapes, Sketch, UnknownArchitecture, fellow, repeats
from core.families.layers import Group, batch_norm, convolution, entry, linear, names, unscaled

DEFAULT_WIDTH = 16
DEEPEST = 1202  # the deepest of He et al.
WIDEST = 1024

_NAME = re.compile(r"cifar_resnet_(0|[1-9][0-9]*)(?:_(0|[1-9][0-9]*))?")


@dataclass(frozen=True)
class Block:
    """One residual block; where it changes the shape its shortcut is a projection: 1×1 conv and BN."""

    inputs: int
    outputs: int
    stride: int

    @property
    def projects(self) -> bool:
        """Whether the shape changes."""
        return self.stride != 1 or self.inputs != self.outputs


@dataclass(frozen=True)
class CifarResNet:
    """Stem of `width` channels, three stages of (depth − 2) / 6 blocks at 1, 2 and 4 times the width."""

    depth: int
    width: int = DEFAULT_WIDTH

    @property
    def name(self) -> str:
        """Canonical name: the default width is not spelled out."""
        suffix = "" if self.width == DEFAULT_WIDTH else f"_{self.width}"
        return f"cifar_resnet_{self.depth}{suffix}"

    @property
    def stage_length(self) -> int:
        """Blocks per stage, the fixed one included."""
        return (self.depth - 2) // 6

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks in order, numbered through the stages; the second and third stage halve the image."""
        first, second, third = self.width, 2 * self.width, 4 * self.width
        rest = self.stage_length - 1
        return (
            *[Block(first, first, 1)] * (1 + rest),
            *[Block(first, second, 2), *[Block(second, second, 1)] * rest],
            *[Block(second, third, 2), *[Block(third, third, 1)] * rest],
        )

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Stem `conv`, `bn`; `blocks.{i}`; head `fc` after global pooling, so any image size will do."""
        # A block adds to what it reads: the stem and all blocks of a stage write one group of channels.
        stages = [Group(f"stage{s + 1}", 2**s * self.width) for s in range(3)]
        stem = (*convolution("conv", unscaled(shape[0]), stages[0], 3), *batch_norm("bn", stages[0]))
        head = linear("fc", stages[-1], unscaled(classes))
        n = self.stage_length
        blocks = [
            _block_tensors(f"blocks.{i}", stages[(i - 1) // n if i else 0], stages[i // n], projects)
            for i, projects in enumerate(block.projects for block in self.blocks)
        ]
        return Architecture(
            name=self.name,
            family="cifar_resnet",
            input=shape,
            classes=classes,
            tensors=(*stem, *(spec for block in blocks for spec in block), *head),
            anatomy=Anatomy(
                stages=tuple(
                    Stage(
                        stage.name,
                        tuple(
                            entry(f"blocks.{i}", blocks[i], fixed=i == s * n)
                            for i in range(s * n, (s + 1) * n)
                        ),
                    )
                    for s, stage in enumerate(stages)
                ),
                fixed=names((*stem, *head)),
            ),
            stem=frozenset(names(stem)),
            head=frozenset(names(head)),
        )

    def places(self, image: Grid) -> dict[str, int]:
        """The first convolution of a block, and its shortcut, have the stride: all see what it leaves."""
        found, grid = {"conv.weight": image.size}, image
        for i, block in enumerate(self.blocks):
            grid = grid.strided(block.stride)
            parts = ("conv1", "conv2", *(("shortcut.0",) if block.projects else ()))
            found |= dict.fromkeys((f"blocks.{i}.{part}.weight" for part in parts), grid.size)
        return found

    def with_width_of(self, other: Member) -> CifarResNet:
        """As many blocks, as wide as the other's."""
        return replace(self, width=fellow(self, other).width)


def _block_tensors(name: str, inputs: Group, outputs: Group, projects: bool) -> tuple[TensorSpec, ...]:
    inner = Group(f"{name}.conv1", outputs.size)
    shortcut = (
        *convolution(f"{name}.shortcut.0", inputs, outputs, 1),
        *batch_norm(f"{name}.shortcut.1", outputs),
    )
    return (
        *convolution(f"{name}.conv1", inputs, inner, 3),
        *batch_norm(f"{name}.bn1", inner),
        *convolution(f"{name}.conv2", inner, outputs, 3),
        *batch_norm(f"{name}.bn2", outputs),
        *(shortcut if projects else ()),
    )


def parse(name: str) -> CifarResNet | None:
    """Read `cifar_resnet_D` or `cifar_resnet_D_W`."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    depth, width = int(match[1]), int(match[2] or DEFAULT_WIDTH)
    if not 8 <= depth <= DEEPEST or depth % 6 != 2:
        raise UnknownArchitecture(f"{name}: cifar_resnet_D needs D = 6n + 2 from 8 to {DEEPEST}")
    if not 1 <= width <= WIDEST:
        raise UnknownArchitecture(f"{name}: cifar_resnet_D_W needs W from 1 to {WIDEST}")
    return CifarResNet(depth, width)


def recognise(shapes: Shapes) -> Sketch | None:
    """The depth follows from the number of blocks, the width from the stem `conv`; sides of 32."""
    match shapes.get("conv.weight"), shapes.get("fc.weight"):
        case (width, channels, _, _), (classes, _):
            member = CifarResNet(2 * repeats(shapes, "blocks.", ".conv1.weight") + 2, width)
            return Sketch(member.name, (channels, 32, 32), classes)
    return None


CIFAR_RESNET = Family(
    name="cifar_resnet",
    pattern="cifar_resnet_D[_W]",
    limits=f"D = 6n + 2 from 8 to {DEEPEST}; W, the width, from 1 to {WIDEST}, {DEFAULT_WIDTH} if not given",
    summary="Residual network for small images: three stages of n blocks at W, 2W and 4W channels. "
    "Units: the blocks after the first of each stage.",
    examples=("cifar_resnet_20", "cifar_resnet_32", "cifar_resnet_20_32"),
    parse=parse,
    recognise=recognise,
)
