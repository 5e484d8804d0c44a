"""Files as other tools write them, made with plain torch."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.families import architecture
from core.families.architecture import Architecture, Role
from core.interchange.foreign import Foreign
from core.interchange.importing import read_foreign

State = dict[str, torch.Tensor]


def saved(value: Any) -> bytes:
    """What torch.save writes."""
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def state_and_masks(network: Architecture, seed: int = 0) -> tuple[State, State]:
    """Random weights and boolean masks of a network."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for spec in network.tensors:
        if spec.role is Role.COUNT:
            state[spec.name] = torch.tensor(7)
        else:
            state[spec.name] = torch.rand(spec.shape, generator=generator) + 0.1
    masks = {spec.name: torch.rand(spec.shape, generator=generator) < 0.3 for spec in network.prunable}
    return state, masks


def tarred(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar of files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture(scope="session")
def save() -> Callable[[Any], bytes]:
    return saved


@pytest.fixture(scope="session")
def tar() -> Callable[..., bytes]:
    return tarred


@pytest.fixture(scope="session")
def network() -> Architecture:
    """A small residual network."""
    return architecture("cifar_resnet_8_4", (3, 32, 32), 10)


@pytest.fixture(scope="session")
def sample() -> Callable[..., tuple[State, State]]:
    return state_and_masks


@pytest.fixture(scope="session")
def state(network: Architecture) -> State:
    return state_and_masks(network)[0]


@pytest.fixture(scope="session")
def masks(network: Architecture) -> State:
    return state_and_masks(network)[1]


@pytest.fixture
def import_bytes(tmp_path: Path) -> Callable[..., tuple[str, list[Foreign]]]:
    """Import bytes as a file."""

    def read(content: bytes, **options: Any) -> tuple[str, list[Foreign]]:
        path = tmp_path / "upload"
        path.write_bytes(content)
        found = read_foreign(path, scratch=tmp_path, **options)
        assert [left.name for left in tmp_path.iterdir()] == ["upload"]
        return found

    return read


@pytest.fixture(scope="session")
def same() -> Callable[..., None]:
    """Compare arrays of a foreign ticket with tensors, bit for bit."""

    def compare(found: Mapping[str, np.ndarray] | None, expected: Mapping[str, torch.Tensor]) -> None:
        assert found is not None
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.numpy().dtype, name
            assert found[name].shape == tensor.shape, name
            assert found[name].tobytes() == tensor.numpy().tobytes(), name

    return compare
