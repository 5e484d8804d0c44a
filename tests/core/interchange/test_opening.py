"""A `.pth` gives what torch gives, for everything that is accepted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.interchange.failure import Reason, Unreadable
from core.interchange.opening import check_pth, open_pth

LIMIT = 1 << 24
Save = Callable[[Any], bytes]

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.integers(-9, 9), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


def numpy_of(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


class TestOpen:
    @given(st.data())
    @settings(max_examples=150, deadline=None)
    def test_tensors_of_every_type_and_dense_layout(self, save: Save, data: st.DataObject) -> None:
        shape = data.draw(st.lists(st.integers(0, 4), max_size=5))
        order = data.draw(st.permutations(range(len(shape))))
        dtype = data.draw(st.sampled_from(DTYPES))
        tensor = (torch.randn(shape) * 3).to(dtype).permute(order)
        if data.draw(st.booleans()) and dtype.is_floating_point:
            tensor = torch.nn.Parameter(tensor)
        found = open_pth(save({"t": tensor}), LIMIT)["t"]
        expected = numpy_of(tensor.detach())
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert found.flags.c_contiguous
        assert found.tobytes() == np.ascontiguousarray(expected).tobytes()

    @given(st.dictionaries(st.text(max_size=5), plain, max_size=5))
    @settings(max_examples=150, deadline=None)
    def test_plain_values(self, save: Save, tree: dict[str, Any]) -> None:
        assert open_pth(save(tree), LIMIT) == tree

    def test_state_dict_of_a_module_with_its_metadata(self, save: Save) -> None:
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(
            memory_format=torch.channels_last
        )
        found = open_pth(save(module.state_dict()), LIMIT)
        assert list(found) == list(module.state_dict())
        for name, tensor in module.state_dict().items():
            np.testing.assert_array_equal(found[name], tensor.numpy())

    def test_checkpoint_with_optimizer_and_scheduler(self, save: Save) -> None:
        module = torch.nn.Linear(3, 2)
        optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
        module(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5])
        found = open_pth(
            save({"model": module.state_dict(), "o": optimizer.state_dict(), "s": scheduler.state_dict()}),
            LIMIT,
        )
        assert found["s"]["milestones"] == {2: 1, 5: 1}
        buffer = optimizer.state_dict()["state"][0]["momentum_buffer"]
        np.testing.assert_array_equal(found["o"]["state"][0]["momentum_buffer"], buffer.numpy())

    def test_types_of_torch_are_constants(self, save: Save) -> None:
        found = open_pth(save({"a": torch.float32, "b": [torch.float8_e5m2, torch.bool]}), LIMIT)
        assert found == {"a": "torch.float32", "b": ["torch.float8_e5m2", "torch.bool"]}

    def test_sizes_and_devices(self, save: Save) -> None:
        found = open_pth(save({"a": torch.Size([2, 3]), "b": torch.device("cuda", 1)}), LIMIT)
        assert found == {"a": (2, 3), "b": "cuda"}

    def test_shared_containers_stay_one(self, save: Save) -> None:
        inner = [1, 2]
        found = open_pth(save({"a": inner, "b": OrderedDict(c=inner)}), LIMIT)
        assert found["a"] is found["b"]["c"]

    def test_a_path_and_bytes_give_the_same(self, save: Save, tmp_path: Path) -> None:
        content = save({"t": torch.arange(5.0)})
        (tmp_path / "a.pth").write_bytes(content)
        np.testing.assert_array_equal(open_pth(tmp_path / "a.pth", LIMIT)["t"], open_pth(content, LIMIT)["t"])

    def test_the_limit_counts_what_the_file_holds(self, save: Save) -> None:
        content = save({"t": torch.zeros(1000)})
        open_pth(content, 8000)
        with pytest.raises(Unreadable) as caught:
            open_pth(content, 4000)
        assert caught.value.reason is Reason.TOO_LARGE

    def test_torch_is_not_imported(self, save: Save, tmp_path: Path, run_program: Any) -> None:
        (tmp_path / "a.pth").write_bytes(save({"t": torch.zeros(3)}))
        program = (
            "import sys; from pathlib import Path; from core.interchange import importing;"
            f"importing.precheck(Path({str(tmp_path / 'a.pth')!r}), Path({str(tmp_path)!r}));"
            f"importing.read_foreign(Path({str(tmp_path / 'a.pth')!r}), scratch=Path({str(tmp_path)!r}));"
            "print('torch' in sys.modules)"
        )
        done = run_program(program)
        assert done.stdout == "False\n", done.stderr


class TestCheck:
    def test_a_sound_file_passes_without_its_values_being_read(self, save: Save, tmp_path: Path) -> None:
        content = bytearray(save({"t": torch.full((64,), 3.0)}))
        place = content.index(torch.full((64,), 3.0).numpy().tobytes())
        content[place] ^= 1
        check_pth(bytes(content), LIMIT)
        with pytest.raises(Unreadable) as caught:
            open_pth(bytes(content), LIMIT)
        assert (caught.value.reason, caught.value.where) == (Reason.ARCHIVE_DAMAGED, "'t'")
