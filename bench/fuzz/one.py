"""Fuzz one reader, guided by coverage: `python -m bench.fuzz.one READER CORPUS [libFuzzer's flags]`.

Ends by a status that is not 0, and keeps the input, where anything but a documented refusal leaves the reader, where
an input takes too long, and where memory grows past its limit.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import atheris

# Ours, and what is read with in Python; NumPy, pydantic, Pillow and the rest are not ours to search.
INSTRUMENTED = [
    "core",
    "api",
    "bench.fuzz.readers",
    "pickletools",
    "python_multipart",
    "starlette.responses",
]


def main(name: str, corpus: str, *flags: str) -> None:
    """Never returns: libFuzzer ends the process."""
    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        from bench.fuzz.reader import reader

        found = reader(name)
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(found.seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *flags, str(folder)], found.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
