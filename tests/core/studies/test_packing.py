"""Archives as they are sent, read by Python's own reader."""

import io
import tracemalloc
import zipfile
from pathlib import Path

from core.studies.packing import Member, packed


def read(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


class TestPacked:
    def test_members_come_out_as_they_went_in_and_the_same_go_to_the_same_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(bytes(range(256)) * 5000)

        def members() -> list[Member]:
            return [
                Member("a.txt", [b"one ", b"two"]),
                Member("b/c", tmp_path / "file"),
                Member("empty", []),
            ]

        content = b"".join(packed(members()))
        assert read(content) == {
            "a.txt": b"one two",
            "b/c": (tmp_path / "file").read_bytes(),
            "empty": b"",
        }
        (tmp_path / "file").touch()
        assert b"".join(packed(members())) == content

    def test_files_are_stored_and_words_are_deflated(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(bytes(1 << 16))
        content = b"".join(packed([Member("f", tmp_path / "file"), Member("w", [bytes(1 << 16)])]))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sizes = {info.filename: info.compress_size for info in archive.infolist()}
        assert sizes["f"] == 1 << 16
        assert sizes["w"] < 1 << 10

    def test_a_large_file_is_never_held(self, tmp_path: Path) -> None:
        size = 64 << 20
        with (tmp_path / "file").open("wb") as file:
            file.truncate(size)
        tracemalloc.start()
        try:
            assert sum(map(len, packed([Member("f", tmp_path / "file")]))) > size
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
