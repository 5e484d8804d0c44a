from pathlib import Path
from typing import Any

from bench.throughput import figure
from bench.throughput.report import tables

COST = {"ms": 3.0, "server_ms": 0.9, "client_ms": 1.25, "log_bytes": 2048.0}
GROWTH = [
    {
        "jobs": jobs,
        "seconds": jobs / 200,
        "per_second": 200.0,
        "accepted_per_second": 300.0,
        "processor_ms": {"client": 1.5, "worker": 4.0},
        "course": [(1.0, 190.0), (2.0, 210.0)],
    }
    for jobs in (1000, 10000)
]
MEASURED: dict[str, Any] = {
    "machine": {"cores": 2},
    "load": {"growth": 0.5},
    "growth": GROWTH,
    "tiny": [GROWTH[0] | {"kind": "train", "per_second": 31.5, "processor_ms": {"api": 5.0, "worker": 50.0}}],
    "idle": {"jobs": 300, "median_ms": 4.25, "p95_ms": 9.0, "longest_ms": 30.0},
    "operations": {"transactions": {"claim": COST}, "bytes_per_job": {"jobs": 1000}},
}


class TestTables:
    def test_every_part_has_its_own(self) -> None:
        text = tables(MEASURED)
        assert "| 10,000 | 50.0 | **200** | 300 |" in text
        assert "| train | 1000 | 5.0 | **31.5** | 300 |" in text
        assert "| 300 | **4.2** | 9.0 | 30.0 |" in text
        assert "| claim | 3.00 | 0.90 | 1.25 | 2,048 |" in text

    def test_processor_time_is_summed_over_whoever_took_it(self) -> None:
        text = tables(MEASURED)
        assert "| nothing |  | 1.50 | 4.00 | 5.5 |" in text
        assert "| train | 5.00 |  | 50.00 | 55.0 |" in text

    def test_the_load_is_told(self) -> None:
        assert "2 cores; load average of the minute before each part: growth 0.5." in tables(MEASURED)


class TestFigure:
    def test_the_same_measurements_give_the_same_bytes(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            figure.draw(MEASURED, tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
