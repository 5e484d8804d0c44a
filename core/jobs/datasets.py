"""What is known of each dataset without opening it: shapes, counts, files and their origin. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One download: its address, the SHA-256 of what comes back, and the file name it is kept under."""

    url: str
    sha256: str
    file: str


@dataclass(frozen=True)
class DatasetFacts:
    """A dataset by name: input [C, H, W], classes, image counts, and how it is laid out.

    `augmented`: training images may be cropped and flipped without changing their class. `layouts`: the
    accepted sets of files and (ending in `/`) folders, each complete in itself, looked for in DIRECTORY/NAME
    and then in DIRECTORY; none where a dependency brings the images along. `sources` yield the first layout;
    without any, the dataset is not downloaded. `upsampled`: the dataset whose files and images these are, enlarged
    to `input` when they are used.
    """

    name: str
    title: str
    input: tuple[int, int, int]
    classes: int
    train: int
    test: int
    augmented: bool
    layouts: tuple[tuple[str, ...], ...] = ()
    sources: tuple[Source, ...] = ()
    upsampled: str | None = None

    def roots(self, directory: Path) -> tuple[Path, Path]:
        """Where a layout is looked for, in this order; the first is where a download goes."""
        return directory / (self.upsampled or self.name), directory

    def files_in(self, root: Path) -> tuple[Path, ...] | None:
        """The files and folders of the first layout that is complete in `root`."""
        for layout in self.layouts:
            paths = {name: root / name for name in layout}
            if all(path.is_dir() if name.endswith("/") else path.is_file() for name, path in paths.items()):
                return tuple(paths.values())
        return None


# Training images, training labels, test images, test labels.
_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_IDX_GZ = tuple(f"{name}.gz" for name in _IDX)


def _idx_sources(base: str, *digests: str) -> tuple[Source, ...]:
    return tuple(Source(base + file, digest, file) for file, digest in zip(_IDX_GZ, digests, strict=True))


_CIFAR10 = DatasetFacts(
    name="cifar10",
    title="CIFAR-10 tiny colour photographs",
    input=(3, 32, 32),
    classes=10,
    train=50_000,
    test=10_000,
    augmented=True,
    layouts=(
        (
            *(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)),
            "cifar-10-batches-bin/test_batch.bin",
        ),
        (*(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)), "cifar-10-batches-py/test_batch"),
    ),
    sources=(
        Source(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "cifar-10-binary.tar.gz",
        ),
    ),
)

_DIGITS = DatasetFacts(
    name="digits",
    title="Optical handwritten digits, bundled with scikit-learn",
    input=(1, 8, 8),
    classes=10,
    train=1437,
    test=360,
    augmented=False,
)

_FACTS = (
    _DIGITS,
    replace(
        _DIGITS,
        name="digits_32",
        title="Optical handwritten digits, upsampled for networks that take 32 pixels",
        input=(1, 32, 32),
        upsampled="digits",
    ),
    DatasetFacts(
        name="mnist",
        title="MNIST handwritten digits",
        input=(1, 28, 28),
        classes=10,
        train=60_000,
        test=10_000,
        augmented=False,
        layouts=(_IDX_GZ, _IDX),
        sources=_idx_sources(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    DatasetFacts(
        name="fashion_mnist",
        title="Fashion-MNIST articles of clothing",
        input=(1, 28, 28),
        classes=10,
        train=60_000,
        test=10_000,
        augmented=False,
        layouts=(_IDX_GZ, _IDX),
        sources=_idx_sources(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    _CIFAR10,
    replace(
        _CIFAR10,
        name="cifar10_224",
        title="CIFAR-10 photographs, upsampled for networks that take ImageNet's",
        input=(3, 224, 224),
        upsampled="cifar10",
    ),
    DatasetFacts(
        name="cifar100",
        title="CIFAR-100 tiny colour photographs, by their fine labels",
        input=(3, 32, 32),
        classes=100,
        train=50_000,
        test=10_000,
        augmented=True,
        layouts=(
            ("cifar-100-binary/train.bin", "cifar-100-binary/test.bin"),
            ("cifar-100-python/train", "cifar-100-python/test"),
        ),
        sources=(
            Source(
                "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                "cifar-100-binary.tar.gz",
            ),
        ),
    ),
    DatasetFacts(
        name="svhn",
        title="SVHN street view house numbers, cropped digits",
        input=(3, 32, 32),
        classes=10,
        train=73_257,
        test=26_032,
        augmented=False,
        layouts=(("train_32x32.mat", "test_32x32.mat"),),
        sources=(
            Source(
                "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
                "train_32x32.mat",
            ),
            Source(
                "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
                "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
                "test_32x32.mat",
            ),
        ),
    ),
    DatasetFacts(
        name="tiny_imagenet",
        title="Tiny ImageNet photographs, its validation images as test images",
        input=(3, 64, 64),
        classes=200,
        train=100_000,
        test=10_000,
        augmented=True,
        layouts=(
            (
                "tiny-imagenet-200/wnids.txt",
                "tiny-imagenet-200/train/",
                "tiny-imagenet-200/val/images/",
                "tiny-imagenet-200/val/val_annotations.txt",
            ),
        ),
    ),
    DatasetFacts(
        name="imagenet",
        title="ImageNet photographs (ILSVRC-2012), its validation images as test images",
        input=(3, 224, 224),
        classes=1000,
        train=1_281_167,
        test=50_000,
        augmented=True,
        layouts=(("imagenet/train/", "imagenet/val/"),),
    ),
)

DATASETS: dict[str, DatasetFacts] = {facts.name: facts for facts in _FACTS}
