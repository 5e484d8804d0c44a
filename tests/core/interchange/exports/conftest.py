"""Tickets to export, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import tickets
from core.families import architecture
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.interchange.exports.registry import EXPORTS
from core.interchange.exports.source import Ancestor, Figure, Source
from core.tickets import Metadata, Ticket, ticket_id

SMALL = {"mlp_2": (1, 3, 4), "cifar_resnet_8_4": (3, 8, 8), "cifar_vgg_11_2": (3, 32, 32)}


def source_of(network: Architecture, seed: int = 0, rewind_step: int = 7) -> Source:
    """A ticket with layers of any density, and survivors that are 0.0 and −0.0. A layer is empty only where a
    shortcut passes it, so that the network still looks at its input.
    """
    rng = np.random.default_rng(seed)
    masks, state = {}, initialise(network, seed)
    for i, spec in enumerate(network.prunable):
        density = 0.0 if spec.name == "blocks.0.conv2.weight" else (0.2, 0.5, 1.0, 0.3)[i % 4]
        masks[spec.name] = rng.random(spec.shape) < density
        state[spec.name][rng.random(spec.shape) < 0.05] = rng.choice([0.0, -0.0])
    for spec in network.tensors:
        if not spec.prunable:
            state[spec.name] += np.asarray(rng.integers(1, 4, spec.shape), state[spec.name].dtype)
    ticket = Ticket.from_dense(network, rewind_step, masks, state)
    return Source(
        ticket,
        Metadata(dataset="digits", method="ett", seed=3, level=2, parent="ab" * 32),
        ticket_id(ticket),
        figures=[Figure("digits", "last", 3, 0.9312, 0.004), Figure("mnist", "best", 1, 0.5)],
        lineage=[Ancestor("ab" * 32, "mlp_3", 0.36, "imp")],
    )


@pytest.fixture(scope="session")
def sourced() -> Callable[..., Source]:
    """Makes a source of an architecture."""
    return source_of


@pytest.fixture(scope="session", params=SMALL)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A ticket of each kind of layer: linear, convolution without bias, convolution with bias. Its arrays are
    read-only maps of a file, as those of a stored ticket.
    """
    made = source_of(architecture(request.param, SMALL[request.param], 5))
    path = tmp_path_factory.mktemp("tickets") / "my.ticket.safetensors"
    with path.open("wb") as stream:
        tickets.write(made.ticket, made.metadata, stream)
    return replace(made, ticket=tickets.read(path).ticket)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, Source], Path]:
    """Writes a source in a format, in a folder where nothing else may be left."""

    def write(name: str, source: Source) -> Path:
        path = tmp_path / f"my{EXPORTS[name].suffix}"
        EXPORTS[name].write(source, path)
        assert list(tmp_path.iterdir()) == [path]
        return path

    return write


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Equal to the bit: type, shape, and the sign of a zero."""
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


@pytest.fixture(scope="session")
def identical() -> Callable[[np.ndarray, np.ndarray], bool]:
    """Equality to the bit."""
    return same
