"""What routes of catalogue answer with. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.client.answer import Answer
from api.client.models.tickets import Stage


class Tensor(Answer):
    """One entry of a network's state dict."""

    name: str
    shape: list[int]
    size: int
    role: str
    prunable: bool


class Architecture(Answer):
    """A concrete network."""

    name: str
    family: str
    dataset: str | None = None
    """the dataset whose input and classes were asked for"""
    input: list[int]
    """[C, H, W]; zeros where it means nothing"""
    classes: int
    prunable: int
    """prunable weights: the denominator of every sparsity"""
    parameters: int
    """values in all tensors, buffers included"""
    tensors: list[Tensor]
    stages: list[Stage]
    stem: list[str]
    """tensors whose shapes follow the input"""
    head: list[str]
    """tensors whose shapes follow the classes"""
    definition: dict[str, Any] | None = None
    """what was posted of its family, in canonical form; null for a built-in one"""


class Recipe(Answer):
    """One training, completely; only `steps` needs to know how large the dataset is."""

    length: str
    """how long one training lasts, in epochs or steps"""
    batch: int
    """images per step; the last batch of an epoch may be smaller"""
    lr: float
    """the learning rate after warmup"""
    momentum: float
    """SGD's momentum; 0 keeps no buffer"""
    weight_decay: float
    """L2 penalty added to the gradient"""
    milestones: list[str] = Field(default=[])
    """where the learning rate is multiplied by gamma"""
    gamma: float = 0.1
    """factor at each milestone"""
    warmup: str = "0it"
    """the learning rate rises linearly from 0 over this long"""
    rewind: str = "0it"
    """the rewind point: a ticket restarts from its weights here"""
    augment: bool = False
    """random crops and flips, on datasets whose classes survive them"""
    dense: list[str] = Field(default=[])
    """prunable tensors never pruned; they still count in sparsity and in the quota"""
    nesterov: bool = False
    """SGD steps along the momentum looked ahead; needs a momentum"""
    decay: Literal["all", "weights"] = "all"
    """what weight decay acts on; weights: all but biases and normalisation"""
    label_smoothing: float = 0
    """share of each label spread over all classes, in the training loss only"""
    optimizer: Literal["sgd", "adam"] = "sgd"
    """adam: β₁ 0.9, β₂ 0.999, ε 1e-8, without momentum and nesterov, which are SGD's"""
    schedule: Literal["steps", "cosine"] = "steps"
    """after warmup; steps: gamma at each milestone; cosine: to 0 at the end of length"""


class Size(Answer):
    """What a posted family is known for; zeros where input or classes mean nothing."""

    input: list[int]
    """[C, H, W]"""
    classes: int


class Family(Answer):
    """A family of architectures, built-in or posted, and the recipe preset that bears its name."""

    name: str
    pattern: str
    limits: str
    summary: str
    examples: list[str]
    recipe: Recipe | None
    """the preset of this name: how its members are trained by default; null for a posted family"""
    posted: list[Size] = Field(default=[])
    """the inputs and classes that the family is posted for; none for a built-in one"""


class Dataset(Answer):
    """What is known of a dataset without opening it."""

    name: str
    title: str
    input: list[int]
    """[C, H, W]"""
    classes: int
    train: int
    """training images"""
    test: int
    """test images"""
    augmented: bool
    """training images may be cropped and flipped"""
    files: list[list[str]]
    """the accepted sets of files, each complete in itself"""
    sources: list[str]
    """where the first set is downloaded from"""


class Method(Answer):
    """A way to find a mask."""

    name: str
    title: str
    source: str
    parameters: dict[str, Any]
    """JSON Schema of its parameters"""
    defaults: dict[str, Any]
    """the parameters that may be left out"""
    request: Literal["find", "train"]
    """find: POST /find {method, parameters}; train: POST /train {sparsity_schedule}"""
    cost: str
    """what it spends per seed before there is a ticket; a train method: in all"""
    trainings: float
    """trainings per seed, at the defaults"""
