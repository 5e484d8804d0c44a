"""Safetensors files: every type and order, by the library's own writer and by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from core.interchange.imports.safetensors import open_safetensors

LIMIT = 1 << 20
TYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
]


class TestOpen:
    @settings(deadline=None)
    @given(st.data())
    def test_tensors_of_every_type(self, tmp_path_factory: Any, data: st.DataObject) -> None:
        written = {}
        for name in "abc":
            shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
            written[name] = (torch.randn(shape) * 3).to(data.draw(st.sampled_from(TYPES)))
        path = tmp_path_factory.mktemp("safetensors") / "a"
        path.write_bytes(save(written, {"rewind_step": "5"}))
        file = open_safetensors(path, LIMIT)
        assert file.metadata == {"rewind_step": "5"}
        assert file.tree.keys() == written.keys()
        for name, tensor in written.items():
            expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
            assert isinstance(file.tree[name], np.ndarray)
            assert file.tree[name].dtype == expected.dtype
            assert file.tree[name].shape == expected.shape
            assert file.tree[name].tobytes() == expected.tobytes()

    def test_the_order_is_that_of_the_bytes(self, build: Any, tmp_path: Path) -> None:
        names = [f"layer{i}.weight" for i in range(60)]
        random.Random(0).shuffle(names)
        places = {name: build.entry("F32", [1], 4 * i, 4 * i + 4) for i, name in enumerate(names)}
        header = {name: places[name] for name in sorted(names)}
        (tmp_path / "a").write_bytes(build.safetensors(header, np.arange(60, dtype="<f4").tobytes()))
        tree = open_safetensors(tmp_path / "a", LIMIT).tree
        assert list(tree) == names
        assert [float(array[0]) for array in tree.values()] == list(range(60))

    def test_a_tensor_without_dimensions_is_imported(self, import_bytes: Callable[..., Any]) -> None:
        state = {"a.weight": torch.ones(2, 2), "scale": torch.tensor(2.0).bfloat16()}
        _, (found,) = import_bytes(save(state))
        assert found.weights["scale"].shape == ()
        assert found.weights["scale"] == 2.0
        assert "dropped" not in found.details
