from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets import DatasetInvalid
from core.datasets.decoded import decoded

SHAPE = (3, 16, 24)


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (24, 16), seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], len(mode)), dtype=np.uint8)
    Image.fromarray(pixels.squeeze()).save(path, "JPEG")
    return path


def one_by_one(paths: list[Path]) -> np.ndarray:
    """Every pixel asked for by itself."""
    images = np.zeros((len(paths), *SHAPE), np.uint8)
    for n, path in enumerate(paths):
        with Image.open(path) as image:
            for y in range(16):
                for x in range(24):
                    images[n, :, y, x] = image.getpixel((x, y))  # a grey value is spread over the channels
    return images


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    modes = ["RGB", "L", "RGB", "RGB"]
    return [save(tmp_path / f"{seed}.JPEG", mode, seed=seed) for seed, mode in enumerate(modes)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "kept.npy"


class TestDecoded:
    def test_it_is_what_the_files_hold(self, paths: list[Path], cache: Path) -> None:
        found = decoded(paths, SHAPE, cache)
        assert found.dtype == np.uint8
        assert found.flags.writeable
        np.testing.assert_array_equal(found, one_by_one(paths))

    def test_colours_and_places_survive(self, tmp_path: Path, cache: Path) -> None:
        pixels = np.zeros((16, 24, 3), np.uint8)
        pixels[:8, :8] = 200, 40, 90
        Image.fromarray(pixels).save(tmp_path / "a.JPEG", "JPEG", quality=100, subsampling=0)
        (found,) = decoded([tmp_path / "a.JPEG"], SHAPE, cache)
        np.testing.assert_allclose(found[:, 3, 3], [200, 40, 90], atol=3)
        np.testing.assert_allclose(found[:, 12, 3], 0, atol=3)
        np.testing.assert_allclose(found[:, 3, 20], 0, atol=3)


class TestCache:
    def test_it_is_read_instead_of_the_files(self, paths: list[Path], cache: Path) -> None:
        first = decoded(paths, SHAPE, cache)
        np.testing.assert_array_equal(np.load(cache), first)
        assert sorted(path.name for path in cache.parent.iterdir()) == sorted(
            [cache.name, *(path.name for path in paths)]
        )
        for path in paths:  # same names, sizes and times: nobody looks inside again
            times = path.stat()
            path.write_bytes(bytes(times.st_size))
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        again = decoded(paths, SHAPE, cache)
        np.testing.assert_array_equal(again, first)
        assert again.flags.writeable

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: b"",
            lambda content: content[:50],
            lambda content: content[:2000],
            lambda content: content[:-1],
            lambda content: content[:-1] + bytes([content[-1] ^ 1]),
            lambda content: b"PK\3\4" + content[4:],
            lambda content: content.replace(b"(4, 3, 16, 24)", b"(9, 3, 16, 24)"),
            lambda content: content.replace(b"(4, 3, 16, 24)", b"(4, 3, 24, 16)"),
            lambda content: content.replace(b"(4, 3, 16, 24)", b"(4, 3, 16,(((("),
            lambda content: content.replace(b"|u1", b"|i1"),
            lambda content: content.replace(b"|u1", b"|O8"),
        ],
    )
    def test_a_damaged_one_is_replaced(
        self, paths: list[Path], cache: Path, damage: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = decoded(paths, SHAPE, cache)
        content = cache.read_bytes()
        damaged = damage(content)  # type: ignore[operator]
        assert damaged != content
        cache.write_bytes(damaged)
        with caplog.at_level(logging.WARNING):
            np.testing.assert_array_equal(decoded(paths, SHAPE, cache), first)
        assert "is made anew" in caplog.text
        assert cache.read_bytes() == content

    def test_a_changed_file_is_decoded_anew(self, paths: list[Path], cache: Path) -> None:
        decoded(paths, SHAPE, cache)
        save(paths[2], seed=9)
        os.utime(paths[2], ns=(1, 1))
        np.testing.assert_array_equal(decoded(paths, SHAPE, cache), one_by_one(paths))

    def test_another_order_is_decoded_anew(self, paths: list[Path], cache: Path) -> None:
        decoded(paths, SHAPE, cache)
        np.testing.assert_array_equal(decoded(paths[::-1], SHAPE, cache), one_by_one(paths[::-1]))

    def test_a_place_where_nothing_can_be_kept(
        self, paths: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        nowhere = tmp_path / "none" / "kept.npy"
        with caplog.at_level(logging.WARNING):
            np.testing.assert_array_equal(decoded(paths, SHAPE, nowhere), one_by_one(paths))
        assert f"{nowhere} is not kept" in caplog.text

    def test_nothing_is_kept_of_a_set_with_a_bad_file(self, paths: list[Path], cache: Path) -> None:
        paths[3].write_bytes(b"")
        with pytest.raises(DatasetInvalid):
            decoded(paths, SHAPE, cache)
        assert not cache.exists()


class TestRefusals:
    def refused(self, paths: list[Path], cache: Path, defect: str) -> None:
        with pytest.raises(DatasetInvalid, match=defect) as refusal:
            decoded(paths, SHAPE, cache)
        assert str(paths[2]) in str(refusal.value)

    @pytest.mark.parametrize("part", [0, 0.01, 0.3, 0.6, 0.9, 0.99])
    def test_a_truncated_file(self, paths: list[Path], cache: Path, part: float) -> None:
        content = paths[2].read_bytes()
        paths[2].write_bytes(content[: int(part * len(content))])
        self.refused(paths, cache, "is not a whole JPEG")

    def test_another_format(self, paths: list[Path], cache: Path) -> None:
        Image.new("RGB", (24, 16)).save(paths[2], "PNG")
        self.refused(paths, cache, "is not a whole JPEG")

    def test_no_image(self, paths: list[Path], cache: Path) -> None:
        paths[2].write_text("<html>404</html>")
        self.refused(paths, cache, "is not a whole JPEG")

    def test_another_size(self, paths: list[Path], cache: Path) -> None:
        save(paths[2], size=(16, 24))
        self.refused(paths, cache, "is RGB of 16×24 pixels, expected L or RGB of 24×16")

    def test_other_colours(self, paths: list[Path], cache: Path) -> None:
        Image.new("CMYK", (24, 16)).save(paths[2], "JPEG")
        self.refused(paths, cache, "is CMYK of 24×16 pixels")

    def test_a_link_to_nothing(self, paths: list[Path], cache: Path, tmp_path: Path) -> None:
        paths[2].unlink()
        paths[2].symlink_to(tmp_path / "gone")
        self.refused(paths, cache, "cannot be read: No such file")
