from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.datasets import DatasetInvalid, DatasetMissing, idx
from core.datasets.download import download
from core.datasets.loading import locate
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts, Source


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    return folder


@pytest.fixture
def server(published: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(published))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}/"
        listening.shutdown()
        thread.join()


def sources(server: str, folder: Path, *files: str) -> tuple[Source, ...]:
    return tuple(
        Source(server + file, hashlib.sha256((folder / file).read_bytes()).hexdigest(), file)
        for file in files
    )


def archive(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


class TestDownload:
    def test_missing_files_are_fetched_once(
        self,
        server: str,
        published: Path,
        mnist: Splits,
        mnist_facts: DatasetFacts,
        idx_files: Any,
        tmp_path: Path,
    ) -> None:
        idx_files.write(mnist, published, mnist_facts.layouts[0])
        facts = dataclasses.replace(mnist_facts, sources=sources(server, published, *mnist_facts.layouts[0]))
        root = tmp_path / "datasets"
        files = locate(facts, root)
        assert files == tuple(root / "mnist" / name for name in facts.layouts[0])
        np.testing.assert_array_equal(idx.read(facts, files).train_images, mnist.train_images)
        assert sorted((root / "mnist").iterdir()) == sorted(files)
        for file in published.iterdir():
            file.unlink()
        assert locate(facts, root) == files

    def test_an_archive_gives_only_the_named_files(
        self, server: str, published: Path, cifar_facts: DatasetFacts, tmp_path: Path
    ) -> None:
        members = {name: name.encode() for name in cifar_facts.layouts[0]}
        archive(
            published / "a.tar.gz", {**members, "../evil": b"x", "cifar-10-batches-bin/readme.html": b"y"}
        )
        facts = dataclasses.replace(cifar_facts, sources=sources(server, published, "a.tar.gz"))
        files = download(facts, tmp_path / "root")
        assert [file.read_bytes() for file in files] == list(members.values())
        assert sorted(path for path in (tmp_path / "root").rglob("*") if path.is_file()) == sorted(files)
        assert not (tmp_path / "evil").exists()

    def test_another_checksum_is_refused_and_nothing_is_left(
        self,
        server: str,
        published: Path,
        mnist: Splits,
        mnist_facts: DatasetFacts,
        idx_files: Any,
        tmp_path: Path,
    ) -> None:
        files = idx_files.write(mnist, published, mnist_facts.layouts[0])
        facts = dataclasses.replace(mnist_facts, sources=sources(server, published, *mnist_facts.layouts[0]))
        files[2].write_bytes(files[2].read_bytes() + b"\0")
        with pytest.raises(DatasetInvalid, match=rf"{server}t10k-images-idx3-ubyte\.gz: SHA-256 is"):
            download(facts, tmp_path / "root")
        assert list((tmp_path / "root").iterdir()) == []

    def test_an_archive_without_a_file_is_refused(
        self, server: str, published: Path, cifar_facts: DatasetFacts, tmp_path: Path
    ) -> None:
        archive(published / "a.tar.gz", dict.fromkeys(cifar_facts.layouts[0][:-1], b""))
        facts = dataclasses.replace(cifar_facts, sources=sources(server, published, "a.tar.gz"))
        with pytest.raises(
            DatasetInvalid, match=r"a\.tar\.gz: has no file cifar-10-batches-bin/test_batch\.bin"
        ):
            download(facts, tmp_path / "root")


class TestMissing:
    def test_it_names_directories_and_both_layouts(self, mnist_facts: DatasetFacts, tmp_path: Path) -> None:
        nowhere = tuple(
            Source(f"http://127.0.0.1:9/{file}", "0" * 64, file) for file in mnist_facts.layouts[0]
        )
        with pytest.raises(DatasetMissing) as missing:
            locate(dataclasses.replace(mnist_facts, sources=nowhere), tmp_path)
        message = str(missing.value)
        assert f"mnist is not in {tmp_path / 'mnist'} or {tmp_path}" in message
        assert all(file in message for layout in mnist_facts.layouts for file in layout)

    def test_a_file_that_is_no_longer_published(
        self, server: str, mnist_facts: DatasetFacts, tmp_path: Path
    ) -> None:
        gone = (Source(f"{server}gone.gz", "0" * 64, "gone.gz"),)
        with pytest.raises(DatasetMissing, match="404"):
            download(dataclasses.replace(mnist_facts, sources=gone), tmp_path / "root")

    def test_a_dataset_without_a_source_is_not_looked_for_elsewhere(
        self, mnist_facts: DatasetFacts, tmp_path: Path
    ) -> None:
        with pytest.raises(DatasetMissing, match="it is not downloaded"):
            locate(dataclasses.replace(mnist_facts, sources=()), tmp_path / "root")
        assert not (tmp_path / "root").exists()
