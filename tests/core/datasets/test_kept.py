from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from core.datasets.kept import Arrays, kept


class Maker:
    """Makes the same two arrays, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0
        self.arrays = np.arange(6, dtype=np.int64).reshape(2, 3), np.frombuffer(b"n1\0n2\0", np.uint8)

    def __call__(self) -> Arrays:
        self.calls += 1
        return self.arrays


@pytest.fixture
def make() -> Maker:
    return Maker()


class TestKept:
    def check(self, cache: Path, make: Maker, fingerprint: bytes, calls: int) -> None:
        for found, expected in zip(kept(cache, 2, fingerprint, make), make.arrays, strict=True):
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
        assert make.calls == calls

    def test_what_was_made_once_is_read(self, make: Maker, tmp_path: Path) -> None:
        for _ in range(2):
            self.check(tmp_path / "kept.npy", make, b"files", calls=1)
        assert [path.name for path in tmp_path.iterdir()] == ["kept.npy"]

    def test_what_was_made_of_other_files_is_replaced(
        self, make: Maker, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.check(tmp_path / "kept.npy", make, b"files", calls=1)
        self.check(tmp_path / "kept.npy", make, b"changed", calls=2)
        assert "is made anew: it is not of the files that are there now" in caplog.text
        self.check(tmp_path / "kept.npy", make, b"changed", calls=2)

    @pytest.mark.parametrize(("old", "new"), [(b"(2, 3)", b"(3, 2)"), (b"<i8", b"<u8"), (b"(6,)", b"(5,)")])
    def test_another_shape_or_type_is_replaced(
        self, make: Maker, tmp_path: Path, old: bytes, new: bytes
    ) -> None:
        cache = tmp_path / "kept.npy"
        self.check(cache, make, b"files", calls=1)
        content = cache.read_bytes()
        assert old in content
        cache.write_bytes(content.replace(old, new))
        self.check(cache, make, b"files", calls=2)
        assert cache.read_bytes() == content

    @pytest.mark.parametrize("length", [0, 7, 150, -40, -1])
    def test_half_a_file_is_replaced(
        self, make: Maker, tmp_path: Path, length: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache = tmp_path / "kept.npy"
        self.check(cache, make, b"files", calls=1)
        cache.write_bytes(cache.read_bytes()[:length])
        with caplog.at_level(logging.WARNING):
            self.check(cache, make, b"files", calls=2)
        assert f"{cache} is made anew" in caplog.text
