"""The caged process that checks uploads."""

import gzip
from pathlib import Path

import pytest
import torch

from core.interchange import checking
from core.interchange.failure import Reason, Unreadable

LIMIT = 1 << 30


class TestCheck:
    def test_a_sound_file_passes_and_leaves_nothing(self, tmp_path: Path) -> None:
        path, scratch = tmp_path / "upload", tmp_path / "scratch"
        scratch.mkdir()
        torch.save({"a.weight": torch.ones(2, 2)}, path)
        checking.check(path, scratch, LIMIT)
        assert list(scratch.iterdir()) == []

    def test_a_refusal_comes_through_as_it_was(self, tmp_path: Path) -> None:
        (tmp_path / "upload").write_bytes(b"\x80\x02nonsense")
        with pytest.raises(Unreadable) as refused:
            checking.check(tmp_path / "upload", tmp_path, LIMIT)
        assert refused.value.reason is Reason.TORCH_LEGACY
        assert refused.value.accepted

    def test_time_runs_out_for_a_file_that_takes_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Zeros that unpack for longer than the second it is given here, into a limit that they do not reach.
        monkeypatch.setattr(checking, "CPU_SECONDS", 0)
        with gzip.open(tmp_path / "upload", "wb", compresslevel=1) as stream:
            for _ in range(40):
                stream.write(bytes(16 << 20))
        with pytest.raises(Unreadable) as refused:
            checking.check(tmp_path / "upload", tmp_path, 1 << 40)
        assert refused.value.reason in (Reason.TOO_COSTLY, Reason.ARCHIVE_DAMAGED, Reason.TOO_LARGE)
