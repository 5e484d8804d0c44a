"""`lenet5`: the convolutional network of LeCun et al. (1998, section II.B), as E-LTH's reference has it.

Its connections are complete, its layers have no biases, and the two fully connected ones are 1×1 convolutions.
Published with biases it has 61,706 parameters; 61,470 of them are weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.elastic.anatomy import Anatomy
from core.families.architecture import Architecture
from core.families.family import Family, Grid, Member, Shapes, Sketch, UnknownArchitecture, fellow
from core.families.layers import Group, convolution, names, unscaled

SIDE = 32
"""Images are padded to this; what is left after conv3 is one pixel."""


@dataclass(frozen=True)
class LeNet5:
    """Three convolutions 5×5 and two 1×1; it has no units."""

    @property
    def name(self) -> str:
        """Canonical name."""
        return "lenet5"

    def architecture(self, shape: tuple[int, int, int], classes: int) -> Architecture:
        """Five weights; sides up to 32."""
        channels, *sides = shape
        if max(sides) > SIDE:
            raise UnknownArchitecture(
                f"lenet5 on {list(shape)}: the input must be [C, H, W] with H and W up to {SIDE}; "
                "smaller images are padded"
            )
        conv1, conv2, conv3 = Group("conv1", 6), Group("conv2", 16), Group("conv3", 120)
        fc1 = Group("fc1", 84)
        stem = convolution("conv1", unscaled(channels), conv1, 5)
        head = convolution("fc2", fc1, unscaled(classes), 1)
        tensors = (
            *stem,
            *convolution("conv2", conv1, conv2, 5),
            *convolution("conv3", conv2, conv3, 5),
            *convolution("fc1", conv3, fc1, 1),
            *head,
        )
        return Architecture(
            name=self.name,
            family="lenet5",
            input=shape,
            classes=classes,
            tensors=tensors,
            anatomy=Anatomy(stages=(), fixed=names(tensors)),
            stem=frozenset(names(stem)),
            head=frozenset(names(head)),
        )

    def places(self, image: Grid) -> dict[str, int]:
        """The padded image less 4 a side, halved, less 4 again, halved: what conv3 leaves is one pixel."""
        return {"conv1.weight": 28**2, "conv2.weight": 10**2} | dict.fromkeys(
            ("conv3.weight", "fc1.weight", "fc2.weight"), 1
        )

    def with_width_of(self, other: Member) -> LeNet5:
        """Itself: there is one width."""
        return fellow(self, other)


def parse(name: str) -> LeNet5 | None:
    """Read `lenet5`."""
    return LeNet5() if name == "lenet5" else None


def recognise(shapes: Shapes) -> Sketch | None:
    """Channels and classes are those of `conv1` and `fc2`; sides of 32."""
    match shapes.get("conv1.weight"), shapes.get("fc2.weight"):
        case (_, channels, _, _), (classes, _, _, _):
            return Sketch("lenet5", (channels, SIDE, SIDE), classes)
    return None


LENET5 = Family(
    name="lenet5",
    pattern="lenet5",
    limits=f"images up to {SIDE} × {SIDE}, padded with zeros to that size",
    summary="LeNet-5 with tanh and average pools. It has no units: tickets are found and trained in it, not moved.",
    examples=("lenet5",),
    parse=parse,
    recognise=recognise,
)
