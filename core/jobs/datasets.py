"""What is known of each dataset without opening it: shapes, counts, files and their origin. No torch."""

from __future__ import annotations

from dataclasses import dataclass


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
    accepted sets of files, each complete in itself, looked for in DIRECTORY/NAME and then in DIRECTORY; none
    where a dependency brings the images along. `sources` yield the first layout.
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


_FACTS = (
    DatasetFacts(
        name="digits",
        title="Optical handwritten digits, bundled with scikit-learn",
        input=(1, 8, 8),
        classes=10,
        train=1437,
        test=360,
        augmented=False,
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
    DatasetFacts(
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
    ),
)

DATASETS: dict[str, DatasetFacts] = {facts.name: facts for facts in _FACTS}
