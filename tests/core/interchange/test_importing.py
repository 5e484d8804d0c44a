"""The way in: the check at upload, and reading in a confined process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as save_safetensors

from core.interchange.failure import Reason, Unreadable
from core.interchange.importing import precheck, read_foreign

State = dict[str, torch.Tensor]


def experiment(save: Callable[[Any], bytes], tar: Callable[..., bytes], state: State, masks: State) -> bytes:
    files = {
        "level_3/main/mask.pth": save({name: mask.int() for name, mask in masks.items()}),
        "level_3/main/model_ep0_it7.pth": save(state),
    }
    return tar(files, "w:gz")


class TestPrecheck:
    def test_sound_files_pass(
        self,
        save: Callable[[Any], bytes],
        tar: Callable[..., bytes],
        state: State,
        masks: State,
        tmp_path: Path,
    ) -> None:
        for content in (
            save(state),
            save_safetensors(state),
            experiment(save, tar, state, masks),
            tar({"net/model.safetensors": save_safetensors(state)}),
        ):
            (tmp_path / "upload").write_bytes(content)
            precheck(tmp_path / "upload", tmp_path)

    def test_files_of_an_archive_that_are_not_read_are_not_judged(
        self, save: Callable[[Any], bytes], tar: Callable[..., bytes], state: State, tmp_path: Path
    ) -> None:
        (tmp_path / "upload").write_bytes(
            tar({"level_0/main/checkpoint.pth": b"junk", "level_0/main/logger": b""})
        )
        precheck(tmp_path / "upload", tmp_path)

    def test_a_limit(self, save: Callable[[Any], bytes], state: State, tmp_path: Path) -> None:
        (tmp_path / "upload").write_bytes(save(state))
        with pytest.raises(Unreadable) as caught:
            precheck(tmp_path / "upload", tmp_path, 1000)
        assert caught.value.reason is Reason.TOO_LARGE


class TestReadForeign:
    def test_in_a_confined_process(
        self,
        save: Callable[[Any], bytes],
        tar: Callable[..., bytes],
        state: State,
        masks: State,
        tmp_path: Path,
        run_program: Any,
    ) -> None:
        (tmp_path / "upload").write_bytes(experiment(save, tar, state, masks))
        program = f"""
from pathlib import Path
from core.interchange.confinement import confine
from core.interchange.importing import read_foreign
confine(128 << 20, 20, 16 << 20)
name, (found,) = read_foreign(Path({str(tmp_path / "upload")!r}), scratch=Path({str(tmp_path)!r}))
print(name, found.level, found.rewind_step, sum(int(mask.sum()) for mask in found.masks.values()))
"""
        done = run_program(program)
        survivors = sum(int(mask.sum()) for mask in masks.values())
        assert done.stdout == f"open_lth 3 7 {survivors}\n", done.stderr

    def test_a_missing_file_is_no_unreadable_one(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_foreign(tmp_path / "nothing", scratch=tmp_path)
