"""What the tests of the criteria share: a choice as a sort, a perceptron without torch, networks of every family."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
import pytest
import torch
from torch import nn

from core.families import architecture
from core.families.architecture import Architecture, Role
from core.families.initialisation import initialise

Arrays = dict[str, np.ndarray]


def _sorted_choice(
    scores: Mapping[str, np.ndarray],
    survivors: int,
    dense: Collection[str] = (),
    masks: Mapping[str, np.ndarray] | None = None,
) -> Arrays:
    """Sort every weight that may survive by (score, tensor, flat index), and take the last."""
    names = list(scores)
    kept = {name: np.zeros(score.shape, bool) for name, score in scores.items()}
    candidates = []
    for tensor, name in enumerate(names):
        for i in range(scores[name].size):
            if masks is not None and not masks[name].flat[i]:
                continue
            if name in dense:
                kept[name].flat[i] = True
                survivors -= 1
            else:
                candidates.append((float(scores[name].flat[i]), tensor, i))
    assert 0 <= survivors <= len(candidates)
    for _, tensor, i in sorted(candidates)[len(candidates) - survivors :]:
        kept[names[tensor]].flat[i] = True
    return kept


@pytest.fixture(scope="session")
def sorted_choice() -> Callable[..., Arrays]:
    """The choice as a sort, weight by weight."""
    return _sorted_choice


class Perceptron:
    """Two hidden layers with ReLU, mean cross-entropy: in NumPy, in float64, differentiated by hand."""

    names = ("1.weight", "3.weight", "5.weight")
    widths = (6, 5, 4, 3)
    input = (1, 2, 3)

    def __init__(self, seed: int, examples: int = 8) -> None:
        rng = np.random.default_rng(seed)
        self.weights = [rng.normal(size=shape) for shape in zip(self.widths[1:], self.widths, strict=False)]
        self.biases = [rng.normal(size=outputs, scale=0.3) for outputs in self.widths[1:]]
        self.images = rng.normal(size=(examples, *self.input))
        self.labels = rng.integers(0, self.widths[-1], examples)

    def module(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """The same network as a module."""
        layers: list[nn.Module] = [nn.Flatten()]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            layer = nn.Linear(*reversed(weight.shape), dtype=dtype)
            with torch.no_grad():
                layer.weight.copy_(torch.tensor(weight))
                layer.bias.copy_(torch.tensor(bias))
            layers += [layer, nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def batch(self, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and labels as tensors."""
        return torch.tensor(self.images, dtype=dtype), torch.tensor(self.labels)

    def loss(self, weights: list[np.ndarray], examples: slice = slice(None)) -> float:
        """Mean cross-entropy at other weights."""
        z = self._forward(weights, examples)[-1]
        shifted = z - z.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        return float(-log_p[np.arange(len(z)), self.labels[examples]].mean())

    def gradient(
        self, weights: list[np.ndarray], examples: slice = slice(None), temperature: float = 1
    ) -> list[np.ndarray]:
        """Of the loss of logits / temperature with respect to each layer's weights."""
        *hidden, logits = self._forward(weights, examples)
        p = np.exp(logits / temperature)
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(p)), self.labels[examples]] -= 1
        delta = p / (len(p) * temperature)
        gradients = []
        for weight, activation in zip(reversed(weights), reversed(hidden), strict=True):
            gradients.append(delta.T @ activation)
            delta = (delta @ weight) * (activation > 0)
        return gradients[::-1]

    def _forward(self, weights: list[np.ndarray], examples: slice) -> list[np.ndarray]:
        x = self.images[examples].reshape(-1, self.widths[0])
        layers = [x]
        for weight, bias in zip(weights, self.biases, strict=True):
            layers.append(layers[-1] @ weight.T + bias)
            if len(layers) <= len(weights):
                layers[-1] = np.maximum(layers[-1], 0)
        return layers

    def named(self, layers: list[np.ndarray]) -> Arrays:
        """Under the names of the module's weights."""
        return dict(zip(self.names, layers, strict=True))


@pytest.fixture(scope="session")
def perceptron() -> type[Perceptron]:
    """The class; its argument is a seed."""
    return Perceptron


class Small(nn.Module):
    """A convolution, BN, ReLU, a strided convolution, BN, a linear head: for images [2, 4, 4], in float64."""

    names = ("conv1.weight", "conv2.weight", "fc.weight")

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 4, 3, stride=2, bias=False)
        self.bn2 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits."""
        x = torch.relu(self.bn1(self.conv1(images)))
        return self.fc(torch.relu(self.bn2(self.conv2(x))).mean((2, 3)))


@pytest.fixture
def convolutional() -> Small:
    """A network with BN, no value of it at its default."""
    generator = torch.Generator().manual_seed(3)
    model = Small().double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=torch.float64) / 2)
                if name.endswith("running_var"):
                    tensor.abs_().add_(0.5)
    return model


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor]:
    """A batch for `convolutional`."""
    generator = torch.Generator().manual_seed(4)
    return torch.randn((6, 2, 4, 4), generator=generator, dtype=torch.float64), torch.tensor(
        [0, 1, 2, 0, 1, 2]
    )


NORMALISED = {
    "cifar_resnet_8_4": (3, 8, 8),
    "cifar_resnet_14_2": (1, 8, 8),
    "cifar_vgg_11_4": (3, 32, 32),
    "cifar_vgg_11_2_fc3": (3, 32, 32),
    "imagenet_resnet_18_4": (3, 40, 40),
    "imagenet_resnet_50_2": (3, 40, 40),
    "cifarhe_resnet_18_4": (3, 8, 8),
    "cifar_mobilenetv1_1": (1, 8, 8),
}
UNNORMALISED = {"mlp_2_12_8": (1, 3, 4), "lenet5": (1, 12, 12)}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _drawn(network: Architecture, seed: int) -> dict[str, np.ndarray]:
    arrays, rng = initialise(network, seed), np.random.default_rng(seed)
    for spec in network.tensors:
        if spec.role in (Role.SHIFT, Role.MEAN, Role.BIAS):
            arrays[spec.name] = rng.normal(scale=0.3, size=spec.shape).astype(np.float32)
        elif spec.role is Role.SCALE:
            arrays[spec.name] = (rng.uniform(0.5, 1.5, spec.shape) * rng.choice([-1, 1], spec.shape)).astype(
                np.float32
            )
        elif spec.role is Role.VARIANCE:
            arrays[spec.name] = rng.uniform(0.5, 1.5, spec.shape).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def drawn() -> Callable[[Architecture, int], dict[str, np.ndarray]]:
    """Draws a whole state dict."""
    return _drawn


@pytest.fixture(scope="session", params=NORMALISED)
def normalised(request: pytest.FixtureRequest) -> Architecture:
    """A small member of each family with batch normalisation, and of each form of it."""
    return architecture(request.param, NORMALISED[request.param], 5)


@pytest.fixture(scope="session", params=UNNORMALISED)
def unnormalised(request: pytest.FixtureRequest) -> Architecture:
    """A small member of each family without."""
    return architecture(request.param, UNNORMALISED[request.param], 5)
