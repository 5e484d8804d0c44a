from __future__ import annotations

import torch

from core.training.exactness import arithmetic
from core.training.fingerprint import fingerprint
from core.training.mode import EXACT


class TestFingerprint:
    def test_it_names_what_decides_the_bits(self) -> None:
        torch.set_num_threads(1)
        found = fingerprint(torch.device("cpu"), EXACT)
        assert (found.torch, found.threads, found.exact) == (torch.__version__, 1, True)
        assert found.device.startswith("cpu ")
        assert found.cpu_capability == torch.backends.cpu.get_cpu_capability()


class TestArithmetic:
    def test_exact_is_deterministic_and_full_precision(self) -> None:
        with arithmetic(exact=True):
            assert torch.are_deterministic_algorithms_enabled()
            assert not torch.backends.cuda.matmul.allow_tf32
            assert not torch.backends.cudnn.allow_tf32
            assert not torch.backends.cudnn.benchmark

    def test_the_settings_found_are_restored(self) -> None:
        before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32
        for exact in (True, False):
            with arithmetic(exact):
                pass
            assert before == (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32)
