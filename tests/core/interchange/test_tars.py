"""Tars of Python and of GNU tar, in every format that they write, are read as they were written."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.interchange.tars import tar_files

LIMIT = 1 << 22
LONG = "/".join(["replicate_1"] * 12)
FILES = {
    "level_0/main/mask.pth": b"x" * 512,
    "level_0/main/empty": b"",
    f"{LONG}/level_1/main/mask.pth": b"y" * 1025,
    "née/mäsk.pth": b"z",
}

names = st.text(
    st.characters(exclude_characters="/\\", exclude_categories=("C", "Z")), min_size=1, max_size=90
)


def written(files: dict[str, bytes], layout: int, mode: str = "w", owner: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=layout) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.uname, info.mtime = (
                len(content),
                owner,
                1.5 if layout == tarfile.PAX_FORMAT else 1,
            )
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def read(path: Path, *, compressed: bool = False) -> dict[str, bytes]:
    return {name: b"".join(content) for name, content in tar_files(path, LIMIT, compressed=compressed)}


class TestFiles:
    @pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
    @pytest.mark.parametrize("mode", ["w", "w:gz"])
    def test_of_python(self, tmp_path: Path, layout: int, mode: str) -> None:
        (tmp_path / "a.tar").write_bytes(written(FILES, layout, mode, owner="" if layout else "zoë"))
        assert read(tmp_path / "a.tar", compressed=mode == "w:gz") == FILES

    @settings(deadline=None)
    @given(st.dictionaries(names, st.binary(max_size=1100), min_size=1, max_size=4))
    def test_of_any_names_and_sizes(
        self, tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
    ) -> None:
        files = {f"folder/{name}": content for name, content in files.items() if name not in (".", "..")}
        path = tmp_path_factory.mktemp("tar") / "a.tar"
        for layout in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            path.write_bytes(written(files, layout, owner="zoë"))
            assert read(path) == files

    @pytest.mark.skipif(shutil.which("tar") is None, reason="no tar on this machine")
    @pytest.mark.parametrize("layout", ["gnu", "pax", "ustar", "oldgnu"])
    def test_of_gnu_tar(self, tmp_path: Path, layout: str) -> None:
        source = tmp_path / "source"
        for name, content in FILES.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
        command = ["tar", f"--format={layout}", "-czf", str(tmp_path / "a.tgz"), "-C", str(source), "."]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        assert read(tmp_path / "a.tgz", compressed=True) == FILES

    def test_headers_of_other_tools_that_change_nothing(self, tmp_path: Path) -> None:
        info = tarfile.TarInfo("a")
        info.pax_headers = {
            "SCHILY.xattr.user.x": "1\n2 =3",
            "LIBARCHIVE.creationtime": "1.5",
            "comment": "git",
        }
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", pax_headers={"comment": "0123abc"}) as archive:
            archive.addfile(info)
        (tmp_path / "a.tar").write_bytes(stream.getvalue())
        assert read(tmp_path / "a.tar") == {"a": b""}

    def test_a_file_that_is_not_wanted_is_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(written(FILES, tarfile.PAX_FORMAT))
        assert [name for name, _ in tar_files(tmp_path / "a.tar", LIMIT, compressed=False)] == list(FILES)
