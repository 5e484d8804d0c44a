"""What a worker offers, by its settings and by what the driver's tool says of declared GPUs."""

from pathlib import Path

import pytest

from core.jobs.placement import Offer
from core.settings import Settings
from workers.offer import gpu_memories, offer_of, visible

TOLD = "81559\n81559\n40960\n"


class TestVisible:
    @pytest.mark.parametrize(
        ("chosen", "found"),
        [
            (None, [81559, 81559, 40960]),
            ("", []),
            ("2", [40960]),
            ("0, 2", [81559, 40960]),
            ("0,7", [81559]),
            ("GPU-1f,GPU-2c", [40960, 40960]),
        ],
    )
    def test_is_what_a_trainer_would_see(self, chosen: str | None, found: list[int]) -> None:
        assert visible(TOLD, chosen) == found


class TestOfferOf:
    @pytest.fixture(autouse=True)
    def tool(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The driver's tool, of a machine with three GPUs."""
        path = tmp_path / "nvidia-smi"
        path.write_text("#!/bin/sh\nprintf '81559\\n81559\\n40960\\n'\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return path

    def test_is_what_the_machine_has(self) -> None:
        offer = offer_of(Settings(memory_mib=1000), 3)
        assert offer == Offer(3, 1000, 3, 40960, frozenset({"any", "cpu", "gpu"}))
        assert offer_of(Settings(), 1).memory > 100

    def test_is_what_is_declared(self) -> None:
        declared = Settings(gpus=2, gpu_memory_mib=500, memory_mib=1, takes="gpu,any")
        assert offer_of(declared, 1) == Offer(1, 1, 2, 500, frozenset({"any", "gpu"}))
        assert offer_of(Settings(gpus=0, memory_mib=1), 1) == Offer(1, 1)

    def test_machines_that_train_together_offer_what_all_have(self) -> None:
        assert offer_of(Settings(nodes=2, rendezvous="one:29400", slots=1), 1).gpus == 6

    def test_a_tool_that_fails_tells_of_none(self, tool: Path) -> None:
        tool.write_text("#!/bin/sh\nexit 9\n")
        assert gpu_memories() == []
