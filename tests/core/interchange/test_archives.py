"""Containers: what a file is, and what comes out of an archive."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as save_safetensors

from core.interchange.archives import HEAD_BYTES, guess_container, unpack
from core.interchange.failure import Reason, Unreadable

FILES = {"a/b.pth": b"1" * 3000, "a/c": b"", "d": b"2" * 100}


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("a")
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


class TestGuess:
    def test_by_the_first_bytes(self, save: Callable[[Any], bytes], tar: Callable[..., bytes]) -> None:
        kinds = {
            "zip": [save({"a": torch.ones(1)}), zipped(FILES)],
            "tar": [tar(FILES)],
            "gzip": [gzip.compress(b"x"), tar(FILES, "w:gz")],
            "safetensors": [save_safetensors({"a": torch.ones(1)}), save_safetensors({}, {"a": "b"})],
            None: [b"", b"PK", b"{}", b"\x80\x02}.", b"\x7fELF" + bytes(300), bytes(300), b"ustar"],
        }
        for kind, files in kinds.items():
            for content in files:
                assert guess_container(content[:HEAD_BYTES]) == kind


class TestUnpack:
    @pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
    def test_wanted_files_under_names_of_our_own(
        self, kind: Any, tar: Callable[..., bytes], tmp_path: Path
    ) -> None:
        content = zipped(FILES) if kind == "zip" else tar(FILES, "w:gz" if kind == "gzip" else "w")
        (tmp_path / "archive").write_bytes(content)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        found = unpack(tmp_path / "archive", kind, scratch, 1 << 16, lambda name: name != "a/c")
        assert {name: path.read_bytes() for name, path in found.items()} == {
            name: content for name, content in FILES.items() if name != "a/c"
        }
        assert sorted(path.name for path in scratch.iterdir()) == ["0", "1"]

    @pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
    def test_the_limit_counts_unwanted_files_too(
        self, kind: Any, tar: Callable[..., bytes], tmp_path: Path
    ) -> None:
        content = zipped(FILES) if kind == "zip" else tar(FILES, "w:gz" if kind == "gzip" else "w")
        (tmp_path / "archive").write_bytes(content)
        assert unpack(tmp_path / "archive", kind, tmp_path, 3100, lambda _: False) == {}
        with pytest.raises(Unreadable) as caught:
            unpack(tmp_path / "archive", kind, tmp_path, 3099, lambda _: False)
        assert caught.value.reason is Reason.TOO_LARGE

    @pytest.mark.parametrize("mebibytes", [256, 257])
    def test_more_than_200_times_its_size_is_refused_beyond_256_mib(
        self, mebibytes: int, build: Any, tmp_path: Path
    ) -> None:
        announced = build.block("a", size=b"%011o" % (mebibytes << 20))
        (tmp_path / "archive").write_bytes(gzip.compress(announced))
        with pytest.raises(Unreadable) as caught:
            unpack(tmp_path / "archive", "gzip", tmp_path, 4 << 30, lambda _: False)
        # The bytes that are announced do not follow: whoever waits for them finds the end.
        expected = {256: Reason.ARCHIVE_DAMAGED, 257: Reason.TOO_LARGE}[mebibytes]
        assert caught.value.reason is expected
