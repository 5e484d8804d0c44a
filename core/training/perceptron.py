"""Several multilayer perceptrons of one shape as one batched computation: the seeds of an experiment, trained at once.

The step of a small network costs more in calls and in passes over its weights than in arithmetic. Here R replicates
cost as many calls as one; all parameters lie in one vector, the gradient is written out, and where few weights
survive the optimiser sees only those.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor, nn

from core.families.architecture import Architecture
from core.jobs.recipes import Recipe
from core.training.checkpoint import Arrays, Slots, TrainingState
from core.training.clock import Clock
from core.training.optimizers import optimizer_over, set_rate

FEW = 1 / 3
"""The density below which gathering and scattering survivors costs less than four passes over all weights."""


class Layout:
    """Where each parameter of R replicates lies in one vector: weights first, biases after them."""

    def __init__(self, architecture: Architecture, replicates: int) -> None:
        self.replicates = replicates
        self.weights = [spec for spec in architecture.tensors if len(spec.shape) == 2]
        self.biases = [spec for spec in architecture.tensors if len(spec.shape) == 1]
        self.specs = [*self.weights, *self.biases]
        self.sizes = [replicates * spec.size for spec in self.specs]
        self.ends = list(accumulate(self.sizes))[:-1]
        self.weight_count = sum(self.sizes[: len(self.weights)])

    def views(self, vector: Tensor) -> dict[str, Tensor]:
        """Each parameter as [R, *shape], sharing the vector's memory."""
        parts = zip(self.specs, vector.tensor_split(self.ends), strict=True)
        return {spec.name: part.view(self.replicates, *spec.shape) for spec, part in parts}

    def vector(self, replicates: Sequence[Arrays], default: float) -> Tensor:
        """The vector of these arrays; a parameter that one does not name has the default."""
        vector = torch.full((sum(self.sizes),), default)
        for name, view in self.views(vector).items():
            for number, arrays in enumerate(replicates):
                if name in arrays:
                    view[number] = torch.tensor(arrays[name])
        return vector


class Survivors:
    """Which entries of the vector are trained, and the way between them and the whole vector.

    The optimiser works on `values`, float32: all entries, or where few survive those alone. The networks compute
    with the whole vector in their own precision, where what is pruned is 0 and stays 0.
    """

    def __init__(self, kept: Tensor, vector: Tensor) -> None:
        few = int(kept.sum()) < FEW * len(kept)
        self._size = len(kept)
        self._index = kept.nonzero().squeeze(1) if few else None
        self._mask = None if few else kept.to(torch.int16 if vector.element_size() == 2 else torch.int32)
        self._picked = vector.new_empty(len(self._index)) if self._index is not None else None

    def among(self, first: int) -> int:
        """How many of the vector's first entries are trained."""
        return first if self._index is None else int((self._index < first).sum())

    def of(self, vector: Tensor) -> Tensor:
        """The trained entries of a vector, as float32 of their own."""
        return (vector if self._index is None else vector[self._index]).to(torch.float32, copy=True)

    def gradients(self, vector: Tensor, out: Tensor) -> None:
        """The gradients of the trained entries; those of pruned ones become 0, whatever they were."""
        if self._index is None:
            # Multiplied as integers: 0 times the bits of a NaN is 0, and 1 times any bits leaves them.
            assert self._mask is not None
            vector.view(self._mask.dtype).mul_(self._mask)
            out.copy_(vector)
        else:
            out.copy_(torch.index_select(vector, 0, self._index, out=self._picked))

    def whole(self, values: Tensor) -> Tensor:
        """The vector of which these are the trained entries, in their precision."""
        if self._index is None:
            return values
        return values.new_zeros(self._size).index_copy_(0, self._index, values)

    def write(self, values: Tensor, vector: Tensor) -> None:
        """Put the trained entries back, rounded to the vector's precision."""
        if self._index is None:
            vector.copy_(values)
        else:
            vector.index_copy_(0, self._index, self._picked.copy_(values))  # type: ignore[union-attr]


class Perceptrons:
    """R networks `mlp_N` that train on batches of their own, in float32 or bfloat16 with float32 values.

    Activations are feature-major, [R, features, B]: then every product but the first reads rows, and sums over the
    batch are over what lies side by side.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        states: Sequence[TrainingState],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._layout = Layout(architecture, len(states))
        self._names = [spec.name for spec in architecture.tensors]
        self._dtype = dtype
        self._smoothing = recipe.label_smoothing
        self._masks = [state.masks for state in states]
        weights = self._layout.vector([state.weights for state in states], 0.0).to(device)
        kept = self._layout.vector([state.masks for state in states], 1.0).to(device) != 0
        weights.masked_fill_(~kept, 0.0)

        self._vector, self._gradient = weights.to(dtype, copy=True), torch.zeros_like(weights, dtype=dtype)
        self._survivors = Survivors(kept, self._vector)
        self._values = self._survivors.of(weights)
        self._value_gradient = torch.zeros_like(self._values)
        self._parameters = self._trained(self._survivors.among(self._layout.weight_count), recipe)
        self._optimizer = optimizer_over(recipe, self._parameters[:1], self._parameters[1:])
        self._restore([state.slots for state in states])
        self._layers = self._layers_of(self._vector)
        self._gradients = self._layers_of(self._gradient)

    def _trained(self, kept_weights: int, recipe: Recipe) -> list[nn.Parameter]:
        """The values as parameters with their gradients: one, or weights and biases where decay tells them apart."""
        self._at = [kept_weights] if recipe.decay == "weights" else []
        parts = zip(
            self._values.tensor_split(self._at), self._value_gradient.tensor_split(self._at), strict=True
        )
        parameters = []
        for values, gradient in parts:
            parameter = nn.Parameter(values)
            parameter.grad = gradient
            parameters.append(parameter)
        return parameters

    def _layers_of(self, vector: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weight [R, out, in] and bias [R, out, 1] of every layer."""
        views = self._layout.views(vector)
        pairs = zip(self._layout.weights, self._layout.biases, strict=True)
        return [(views[weight.name], views[bias.name].unsqueeze(2)) for weight, bias in pairs]

    @torch.no_grad()
    def step(
        self, images: Sequence[Tensor], labels: Sequence[Tensor], number: int, rate: float, clock: Clock
    ) -> Tensor:
        """One step of every replicate on its own [B, C, H, W] and [B]; the mean loss of each, [R]."""
        inputs = _together(images).flatten(2).to(self._dtype).transpose(1, 2)
        classes = _together(labels).unsqueeze(1)
        clock.lap("data")
        activations = [inputs]
        for weight, bias in self._layers[:-1]:
            activations.append(torch.bmm(weight, activations[-1]).add_(bias).relu_())
        weight, bias = self._layers[-1]
        logs = torch.log_softmax(torch.bmm(weight, activations[-1]).add_(bias).float(), 1)
        loss = self._loss(logs, classes)
        self._backward(self._loss_gradient(logs, classes), activations)
        clock.lap("forward, backward")
        self._survivors.gradients(self._gradient, self._value_gradient)
        clock.lap("masks")
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        self._survivors.write(self._values, self._vector)
        clock.lap("optimizer")
        return loss

    def _loss(self, logs: Tensor, classes: Tensor) -> Tensor:
        of_label = logs.gather(1, classes).mean((1, 2))
        if self._smoothing == 0:
            return of_label.neg_()
        return of_label.mul_(self._smoothing - 1).sub_(logs.mean((1, 2)), alpha=self._smoothing)

    def _loss_gradient(self, logs: Tensor, classes: Tensor) -> Tensor:
        """∂ mean cross-entropy / ∂ logits = (softmax − target) / B; overwrites the logarithms."""
        _, count, batch = logs.shape
        gradient = logs.exp_()
        if self._smoothing:
            gradient.sub_(self._smoothing / count)
        missing = logs.new_full((1, 1, 1), self._smoothing - 1).expand(classes.shape)
        return gradient.scatter_add_(1, classes, missing).mul_(1 / batch).to(self._dtype)

    def _backward(self, delta: Tensor, activations: list[Tensor]) -> None:
        """From ∂ loss / ∂ logits to the gradients of all weights and biases."""
        for number in reversed(range(len(self._layers))):
            weight, bias = self._gradients[number]
            below = activations[number]
            torch.bmm(delta, below.transpose(1, 2), out=weight)
            torch.sum(delta, 2, keepdim=True, out=bias)
            if number:
                above = torch.bmm(self._layers[number][0].transpose(1, 2), delta)
                delta = torch.ops.aten.threshold_backward(above, below, 0)

    @torch.no_grad()
    def logits(self, images: Tensor, *, precisely: bool) -> Tensor:
        """[R, B, classes] of [B, C, H, W]: every replicate sees the same images."""
        layers = self._layers_of(self._survivors.whole(self._values)) if precisely else self._layers
        outputs = images.flatten(1).to(layers[0][0].dtype).t().expand(self._layout.replicates, -1, -1)
        for number, (weight, bias) in enumerate(layers, 1):
            outputs = torch.bmm(weight, outputs).add_(bias)
            if number < len(layers):
                outputs = outputs.relu_()
        return outputs.transpose(1, 2).float()

    def weights(self) -> list[Arrays]:
        """Every replicate's parameters, float32."""
        return list(self._arrays(self._values))

    def masks(self) -> list[Arrays]:
        """Those that every replicate began with."""
        return self._masks

    def slots(self) -> list[Slots]:
        """What the optimiser remembers of every replicate; nothing before the first step."""
        found: list[dict[str, Arrays]] = [{} for _ in range(self._layout.replicates)]
        memory = [self._optimizer.state[parameter] for parameter in self._parameters]
        for slot, first in memory[0].items():
            # Adam counts its steps in a scalar; every other slot has an entry for each value.
            counted = first.dim() == 0
            entries = (
                first.expand(len(self._values)) if counted else torch.cat([part[slot] for part in memory])
            )
            for replicate, arrays in zip(found, self._arrays(entries), strict=True):
                replicate[slot] = {name: array.max() for name, array in arrays.items()} if counted else arrays
        return list(found)

    def _restore(self, replicates: Sequence[Slots]) -> None:
        for slot in replicates[0]:
            arrays = [slots[slot] for slots in replicates]
            first = next(iter(arrays[0].values()))
            if first.ndim == 0:
                parts = [torch.tensor(first, device=self._values.device) for _ in self._parameters]
            else:
                whole = self._layout.vector(arrays, 0.0).to(self._values.device)
                parts = list(self._survivors.of(whole).tensor_split(self._at))
            for parameter, part in zip(self._parameters, parts, strict=True):
                self._optimizer.state[parameter][slot] = part

    def _arrays(self, values: Tensor) -> list[dict[str, np.ndarray]]:
        views = self._layout.views(self._survivors.whole(values.detach()).cpu())
        return [
            {name: views[name][number].numpy().copy() for name in self._names}
            for number in range(self._layout.replicates)
        ]


def _together(batches: Sequence[Tensor]) -> Tensor:
    """The batches of all replicates, [R, …]; that of one alone is not copied."""
    return batches[0].unsqueeze(0) if len(batches) == 1 else torch.stack(list(batches))
