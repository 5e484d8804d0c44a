from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.datasets import DatasetInvalid
from core.datasets.decoding import Decoder, Pace, Piece, decode, loader
from core.datasets.draws import Purpose, draw
from core.datasets.views import NUMBERS, View, central_view, random_view


def numbers_of(count: int, seed: int = 0) -> np.ndarray:
    return draw(Purpose.RESIZED_CROP, seed, 0, count * NUMBERS).reshape(count, NUMBERS)


def weights(start: float, length: float, size: int, pixels: int) -> np.ndarray:
    """[size, pixels]: each output pixel is a mean under a tent as wide as what it stands for, or as a pixel."""
    step = length / size
    middles = start + (np.arange(size)[:, None] + 0.5) * step
    tent = np.clip(1 - abs(np.arange(pixels) + 0.5 - middles) / max(step, 1), 0, None)
    return tent / tent.sum(axis=1, keepdims=True)


def shown(image: Image.Image, view: View, size: int) -> np.ndarray:
    """The view, resized in floating point from the whole image."""
    pixels = np.asarray(image.convert("RGB")).astype(float)
    rows = weights(view.top, view.height, size, pixels.shape[0])
    columns = weights(view.left, view.width, size, pixels.shape[1])
    resized = np.tensordot(rows, columns @ pixels, 1)  # [y, h] · ([x, w] · [h, w, c])
    return resized[:, ::-1] if view.mirrored else resized


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class TestDecode:
    @pytest.mark.parametrize("size", [(60, 45), (45, 60), (33, 30), (20, 70), (500, 375)])
    def test_a_random_view_is_resized(
        self, photographs: Any, rng: np.random.Generator, tmp_path: Path, size: tuple[int, int]
    ) -> None:
        path = tmp_path / "image.PNG"
        photographs.image(*size, rng).save(path)
        with Image.open(path) as image:
            for numbers in numbers_of(8):
                found = decode(str(path), numbers, 28)
                assert (found.shape, found.dtype) == ((28, 28, 3), np.uint8)
                np.testing.assert_allclose(found, shown(image, random_view(numbers, *size), 28), atol=1.5)

    @pytest.mark.parametrize("size", [(60, 45), (45, 60), (20, 70), (32, 32), (100, 81)])
    def test_the_central_view_is_that_of_the_resized_image(
        self, photographs: Any, rng: np.random.Generator, tmp_path: Path, size: tuple[int, int]
    ) -> None:
        path = tmp_path / "image.PNG"
        photographs.image(*size, rng).save(path)
        found = decode(str(path), None, 28)
        with Image.open(path) as image:
            np.testing.assert_allclose(found, shown(image, central_view(28, *size), 28), atol=1.5)
            width, height = 32 * size[0] // min(size), 32 * size[1] // min(size)
            left, top = round((width - 28) / 2), round((height - 28) / 2)
            whole = image.resize((width, height), Image.Resampling.BILINEAR)
            cut = np.asarray(whole.crop((left, top, left + 28, top + 28)))
            np.testing.assert_allclose(found, cut.astype(int), atol=1)

    @pytest.mark.parametrize("size", [(501, 375), (263, 461), (130, 127), (64, 64)])
    def test_a_large_jpeg_is_decoded_smaller_to_nearly_the_same(
        self, photographs: Any, rng: np.random.Generator, tmp_path: Path, size: tuple[int, int]
    ) -> None:
        path = tmp_path / "image.JPEG"
        photographs.image(*size, rng).save(path, quality=95)
        with Image.open(path) as image:
            views = [(numbers, random_view(numbers, *size)) for numbers in numbers_of(6)]
            for numbers, view in [(None, central_view(28, *size)), *views]:
                found, expected = decode(str(path), numbers, 28), shown(image, view, 28)
                assert abs(found - expected).max() < 10
                assert abs(found - expected).mean() < 1.5

    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    def test_grey_and_printed_jpegs_become_rgb(
        self, photographs: Any, rng: np.random.Generator, tmp_path: Path, mode: str
    ) -> None:
        image = photographs.image(60, 45, rng).convert(mode)
        image.save(tmp_path / "image.JPEG", quality=95)
        found = decode(str(tmp_path / "image.JPEG"), None, 28)
        np.testing.assert_allclose(found, shown(image, central_view(28, 60, 45), 28), atol=10)

    @pytest.mark.parametrize("mode", ["RGBA", "P", "RGB"])
    def test_a_png_in_disguise(
        self, photographs: Any, rng: np.random.Generator, tmp_path: Path, mode: str
    ) -> None:
        image = photographs.image(60, 45, rng).convert(mode)
        image.save(tmp_path / "image.JPEG", "PNG")
        found = decode(str(tmp_path / "image.JPEG"), None, 28)
        np.testing.assert_allclose(found, shown(image, central_view(28, 60, 45), 28), atol=1.5)


class TestRefusals:
    def refused(self, path: Path, defect: str) -> None:
        with pytest.raises(DatasetInvalid, match=defect) as refusal:
            decode(str(path), None, 28)
        assert str(refusal.value).startswith(f"{path}: ")

    @pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.95])
    def test_a_truncated_file(
        self, photographs: Any, rng: np.random.Generator, tmp_path: Path, part: float
    ) -> None:
        path = tmp_path / "image.JPEG"
        photographs.image(60, 45, rng).save(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(part * len(content))])
        self.refused(path, "is not a whole image")

    def test_another_format(self, tmp_path: Path) -> None:
        Image.new("RGB", (9, 9)).save(tmp_path / "image.JPEG", "GIF")
        self.refused(tmp_path / "image.JPEG", "is not a whole image: UnidentifiedImageError")

    def test_a_mode_that_is_none_of_a_photograph(self, tmp_path: Path) -> None:
        Image.new("I;16", (9, 9)).save(tmp_path / "image.JPEG", "PNG")
        self.refused(tmp_path / "image.JPEG", "is of mode I;16, expected RGB, L, CMYK, RGBA, LA, P")

    def test_no_file(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "gone.JPEG", "FileNotFoundError")


@pytest.mark.filterwarnings(
    "ignore:This DataLoader will create 2 worker processes"
)  # where there is one core
class TestLoader:
    @staticmethod
    def pieces(photographs: Any) -> list[Piece]:
        paths = [str(path) for path, _ in photographs.expected[photographs.train]]
        numbers = numbers_of(40)
        return [Piece(paths[n : n + 7], numbers[n : n + 7]) for n in range(0, 40, 7)]

    @pytest.mark.parametrize("pace", [Pace(0, 0), Pace(2, 1)])
    def test_pieces_come_back_in_order_as_often_as_asked(self, photographs: Any, pace: Pace) -> None:
        pieces = self.pieces(photographs)
        loading = loader(pieces, 28, pace, pinned=False)
        next(iter(loading))  # left in the middle
        for _ in range(2):
            for piece, found in zip(pieces, loading, strict=True):
                assert isinstance(found, torch.Tensor)
                for path, numbers, image in zip(*piece, found, strict=True):
                    np.testing.assert_array_equal(image, decode(path, numbers, 28))

    @pytest.mark.parametrize("pace", [Pace(0, 0), Pace(1, 1)])
    def test_a_broken_image_is_named(self, photographs: Any, pace: Pace) -> None:
        pieces = self.pieces(photographs)
        broken = Path(pieces[1].paths[3])
        broken.write_bytes(b"")
        first, second, third, *_ = loader(pieces, 28, pace, pinned=False)
        assert isinstance(first, torch.Tensor)
        assert isinstance(second, DatasetInvalid)
        assert str(second).startswith(f"{broken}: is not a whole image")
        assert isinstance(third, torch.Tensor)

    def test_randomness_of_the_training_is_left_alone(self, photographs: Any) -> None:
        before = torch.get_rng_state()
        list(loader(self.pieces(photographs), 28, Pace(0, 0), pinned=False))
        assert torch.equal(torch.get_rng_state(), before)

    def test_what_goes_to_other_processes_is_small(self, photographs: Any) -> None:
        assert len(pickle.dumps(Decoder(28))) < 200
        assert len(pickle.dumps(self.pieces(photographs)[0])) < 3000
