"""`cifar_mobilenetv1_N`: MobileNet (Howard et al., 2017, table 1) for small images, with a stem of stride 1.

E-LTH (section 4) stretches and squeezes it by its repeated blocks of 512 channels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.elastic.anatomy import Anatomy, Stage
from core.families.architecture import Architecture, TensorSpec
from core.families.family import Family, Grid, Member, Shapes, Sketch, UnknownArchitecture, fellow, repeats
from core.families.layers import Group, batch_norm, convolution, depthwise, entry, linear, names, unscaled

DEFAULT_REPEATS = 5
MOST_REPEATS = 1000
STEM = 32

_NAME = re.compile(r"cifar_mobilenetv1(?:_(0|[1-9][0-9]*))?")


@dataclass(frozen=True)
class Block:
    """A depthwise separable convolution: 3×3 on each channel with the stride, then 1×1 across them."""

    inputs: int
    outputs: int
    stride: int = 1


@dataclass(frozen=True)
class CifarMobileNetV1:
    """`repeats` blocks 512 → 512 between a part that shrinks the image three times and one that does once."""

    repeats: int = DEFAULT_REPEATS

    @property
    def name(self) -> str:
        """Canonical name."""
        return f"cifar_mobilenetv1_{self.repeats}"

    @property
    def parts(self) -> dict[str, tuple[Block, ...]]:
        """The blocks of the three parts, by the part's module name."""
        return {
            "layers_part1": (
                Block(STEM, 64),
                Block(64, 128, 2),
                Block(128, 128),
                Block(128, 256, 2),
                Block(256, 256),
                Block(256, 512, 2),
            ),
            "layers_part2": (Block(512, 512),) * self.repeats,
            "layers_part3": (Block(512, 1024, 2), Block(1024, 1024)),
        }

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Stem `conv`, `bn`; the parts' blocks; head `fc` after global pooling, so any image size will do."""
        inputs = Group("conv", STEM)
        stem = (*convolution("conv", unscaled(shape[0]), inputs, 3), *batch_norm("bn", inputs))
        blocks: dict[str, tuple[TensorSpec, ...]] = {}
        for part, plan in self.parts.items():
            for i, block in enumerate(plan):
                outputs = Group(f"{part}.{i}", block.outputs)
                blocks[outputs.name] = _block_tensors(outputs.name, inputs, outputs)
                inputs = outputs
        head = linear("fc", inputs, unscaled(classes))
        units = {name: block for name, block in blocks.items() if name.startswith("layers_part2.")}
        transitions = [spec for name in blocks.keys() - units.keys() for spec in blocks[name]]
        tensors = (*stem, *(spec for block in blocks.values() for spec in block), *head)
        fixed = set(names((*stem, *transitions, *head)))
        return Architecture(
            name=self.name,
            family="cifar_mobilenetv1",
            input=shape,
            classes=classes,
            tensors=tensors,
            anatomy=Anatomy(
                stages=(
                    Stage("part2", tuple(entry(name, block, fixed=False) for name, block in units.items())),
                ),
                fixed=tuple(name for name in names(tensors) if name in fixed),
            ),
            stem=frozenset(names(stem)),
            head=frozenset(names(head)),
        )

    def places(self, image: Grid) -> dict[str, int]:
        """The first convolution of a block has its stride."""
        found, grid = {"conv.weight": image.size}, image
        for part, plan in self.parts.items():
            for i, block in enumerate(plan):
                grid = grid.strided(block.stride)
                found |= {f"{part}.{i}.conv{k}.weight": grid.size for k in (1, 2)}
        return found

    def with_width_of(self, other: Member) -> CifarMobileNetV1:
        """Itself: there is one width."""
        fellow(self, other)
        return self


def _block_tensors(name: str, inputs: Group, outputs: Group) -> tuple[TensorSpec, ...]:
    return (
        *depthwise(f"{name}.conv1", inputs, 3),
        *batch_norm(f"{name}.bn1", inputs),
        *convolution(f"{name}.conv2", inputs, outputs, 1),
        *batch_norm(f"{name}.bn2", outputs),
    )


def parse(name: str) -> CifarMobileNetV1 | None:
    """Read `cifar_mobilenetv1_N`, or `cifar_mobilenetv1` for N = 5."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    repeated = int(match[1] or DEFAULT_REPEATS)
    if not 1 <= repeated <= MOST_REPEATS:
        raise UnknownArchitecture(f"{name}: cifar_mobilenetv1_N needs N from 1 to {MOST_REPEATS}")
    return CifarMobileNetV1(repeated)


def recognise(shapes: Shapes) -> Sketch | None:
    """N is the number of blocks in the second part; sides of 32."""
    match shapes.get("conv.weight"), shapes.get("fc.weight"):
        case (_, channels, _, _), (classes, _):
            member = CifarMobileNetV1(repeats(shapes, "layers_part2.", ".conv1.weight"))
            return Sketch(member.name, (channels, 32, 32), classes)
    return None


CIFAR_MOBILENETV1 = Family(
    name="cifar_mobilenetv1",
    pattern="cifar_mobilenetv1[_N]",
    limits=f"N from 1 to {MOST_REPEATS}, {DEFAULT_REPEATS} if not given",
    summary="MobileNet for small images, N blocks of 512 channels in its middle. Units: those N blocks.",
    examples=("cifar_mobilenetv1_5", "cifar_mobilenetv1_3"),
    parse=parse,
    recognise=recognise,
)
