from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from core.datasets import DatasetInvalid
from core.datasets.mat5 import arrays

BYTES = np.arange(30, dtype=np.uint8).reshape(2, 3, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.mat"


def read(path: Path) -> dict[str, np.ndarray]:
    return arrays(path, limit=4096)


class TestArrays:
    @pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32", "float64"])
    def test_what_was_written_is_read(self, mat: Any, path: Path, dtype: str) -> None:
        values = BYTES.astype(dtype)
        (found,) = read(mat.write(path, mat.variable("name", values))).values()
        assert found.dtype == values.dtype
        assert found.shape == (2, 3, 5)
        for i in range(2):
            for j in range(3):
                for k in range(5):
                    assert found[i, j, k] == values[i, j, k]

    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 4), (5, 1), (2, 3, 5), (0, 0)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.int64, np.uint16])
    def test_what_scipy_wrote(
        self, path: Path, compress: bool, shape: tuple[int, ...], dtype: type[np.generic]
    ) -> None:
        values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
        savemat(path, {"X": values, "longer": values}, do_compression=compress)
        found = read(path)
        assert found.keys() == {"X", "longer"}
        for array in found.values():
            assert array.dtype == dtype
            np.testing.assert_array_equal(array, values)

    def test_plain_and_compressed_arrays_of_odd_lengths_side_by_side(self, mat: Any, path: Path) -> None:
        packed = [mat.compressed(mat.variable("p", BYTES[..., :n])) for n in range(1, 6)]
        assert {len(one) % 8 for one in packed} != {0}
        for one in packed:
            found = read(mat.write(path, mat.variable("a", BYTES), one, mat.variable("b", BYTES)))
            assert found.keys() == {"a", "p", "b"}
            np.testing.assert_array_equal(found["b"], BYTES)

    def test_other_classes_are_passed_over(self, path: Path) -> None:
        savemat(path, {"s": {"field": 1}, "c": np.array(["text"]), "o": np.array([[1, "x"]], object), "n": 7})
        assert list(read(path)) == ["n"]


class TestRefusals:
    def refused(self, path: Path, defect: str) -> None:
        with pytest.raises(DatasetInvalid, match=defect) as refusal:
            read(path)
        assert str(path) in str(refusal.value)

    def test_version_4(self, path: Path) -> None:
        savemat(path, {"y": BYTES[0]}, format="4")
        self.refused(path, "is not a MATLAB file of version 5")

    @pytest.mark.parametrize("content", [b"", b"not a matrix" * 50, b"\x89HDF\r\n\x1a\n" + bytes(500)])
    def test_no_matlab_file(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self.refused(path, "is not a MATLAB file of version 5")

    def test_version_7_3(self, mat: Any, path: Path) -> None:
        path.write_bytes(mat.header(0x0200) + bytes(384) + b"\x89HDF\r\n\x1a\n")
        self.refused(path, "is not a MATLAB file of version 5")

    @pytest.mark.parametrize("compress", [False, True])
    def test_every_truncation(self, mat: Any, path: Path, compress: bool) -> None:
        variable = mat.variable("X", BYTES)
        content = mat.header() + (mat.compressed(variable) if compress else variable)
        for length in range(129, len(content)):
            path.write_bytes(content[:length])
            self.refused(path, "is not a whole MATLAB file")

    def test_damage_inside_a_compressed_array(self, mat: Any, path: Path) -> None:
        content = bytearray(mat.header() + mat.compressed(mat.variable("X", BYTES)))
        content[-1] ^= 1  # of its checksum
        path.write_bytes(content)
        self.refused(path, "is not a whole MATLAB file: Error -3 .*incorrect data check")

    def test_an_array_beyond_the_limit(self, mat: Any, path: Path) -> None:
        mat.write(path, mat.compressed(mat.variable("X", np.zeros((1, 10**6), np.uint8))))
        self.refused(path, "an array unpacks to more than 4096 bytes")

    @pytest.mark.parametrize("kind", [0, 8, 10, 14, 255, 0xFFFF])
    def test_a_type_that_is_no_number(self, mat: Any, path: Path, kind: int) -> None:
        variable = mat.variable("X", BYTES).replace(struct.pack("<2I", 2, 30), struct.pack("<2I", kind, 30))
        mat.write(path, variable)
        self.refused(path, rf"is stored as \[{kind}\], not as numbers")

    def test_complex_numbers(self, path: Path) -> None:
        savemat(path, {"X": np.array([[1j]])})
        self.refused(path, r"is stored as \[9, 9\], not as numbers")

    @pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, -5), (-1, 3, 5), (2**31 - 1,) * 3])
    def test_a_shape_that_its_values_do_not_fill(
        self, mat: Any, path: Path, shape: tuple[int, int, int]
    ) -> None:
        variable = mat.variable("X", BYTES)
        mat.write(path, variable.replace(struct.pack("<3i", 2, 3, 5), struct.pack("<3i", *shape)))
        self.refused(path, "is not a whole MATLAB file")

    def test_a_small_element_that_is_none(self, mat: Any, path: Path) -> None:
        variable = mat.variable("abc", BYTES)
        mat.write(path, variable.replace(struct.pack("<2H", 1, 3), struct.pack("<2H", 1, 5)))
        self.refused(path, "an element of 5 bytes has 4 left")

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.dictionaries(st.integers(128, 247), st.integers(0, 255), min_size=1, max_size=4))
    def test_any_other_damage_is_refused_or_harmless(
        self, mat: Any, path: Path, damage: dict[int, int]
    ) -> None:
        content = bytearray(mat.header() + mat.variable("X", BYTES) + mat.variable("y", BYTES[0]))
        for place, value in damage.items():
            content[place] = value
        path.write_bytes(content)
        try:
            found = read(path)
        except DatasetInvalid:
            return
        assert all(array.nbytes <= len(content) for array in found.values())
