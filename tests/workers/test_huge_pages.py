"""Memory in huge pages is the same memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import mmap, random, re
from pathlib import Path
from workers.huge_pages import SIZE, collapse

def huge():
    return int(re.search(r"AnonHugePages: *(\\d+)", Path("/proc/self/smaps_rollup").read_text())[1])

written = mmap.mmap(-1, 16 * SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
content = random.Random(0).randbytes(len(written))
for start in range(0, len(content), 4096):
    written[start : start + 4096] = content[start : start + 4096]
shared = mmap.mmap(-1, SIZE)
shared[:5] = b"whole"
before = huge()
collapse()
assert written[:] == content
assert shared[:5] == b"whole"
print((huge() - before) * 1024 // SIZE)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that is asked")
class TestCollapse:
    def test_keeps_every_byte_and_needs_fewer_pages(self) -> None:
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
        version = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
        # 16 less what a start that is no multiple of a huge page takes away.
        assert int(done.stdout) >= (15 if version >= (6, 1) else 0)
