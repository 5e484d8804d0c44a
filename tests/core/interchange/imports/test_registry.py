"""What every format has in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.interchange.imports.format import File, Folder
from core.interchange.imports.registry import FORMATS

ONES = np.ones((2, 2), np.float32)


class TestRecognises:
    @pytest.mark.parametrize("name", list(FORMATS))
    @pytest.mark.parametrize(
        "source",
        [
            File("pth", {}),
            File("pth", {"a": {"w": ONES}, "b": {"w": ONES}}),
            File("pth", {"w\n": ONES, "w\n_mask": ONES}),
            File("pth", {"a._orig_mod.b": ONES, "a.b": ONES}),
            File("pth", {"model": [1], "mask": {}, "backward_masks": 3}),
            File("safetensors", {"\0": ONES}),
            Folder({}, 0),
            Folder({"level_1/main/other": Path("nothing")}, 0),
        ],
        ids=["nothing", "two networks", "newlines", "a name twice", "numbers", "a NUL", "no file", "no mask"],
    )
    def test_never_raises(self, name: str, source: File | Folder) -> None:
        assert FORMATS[name].recognises(source) in (True, False)

    def test_masks_by_name_beside_a_network_under_any_key(
        self, save: Callable[[Any], bytes], import_bytes: Callable[..., Any]
    ) -> None:
        mask = torch.tensor([[1, 0], [0, 1]])
        content = save({"mine": {"fc.weight": torch.ones(2, 2)}, "mask": {"fc.weight": mask}})
        name, (found,) = import_bytes(content)
        assert name == "itop"
        np.testing.assert_array_equal(found.masks["fc.weight"], mask.numpy() == 1)
