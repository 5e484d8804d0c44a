from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import figure
from bench.layouts import Layout
from bench.report import BEGIN, DOCS, END, kept, replaced, tables


def place(rate: float, ratio: float) -> dict[str, Any]:
    return {"layout": Layout(2, 1).as_json(), "images_per_second": rate, "ratio": ratio, "repeats": [rate]}


MEASURED: dict[str, Any] = {
    "machine": {
        "processor": "Some Processor",
        "family_model": "6 1",
        "cores": 2,
        "extensions": ["avx512_bf16"],
        "torch": "2.13",
        "python": "3.11",
    },
    "training": [
        {
            "network": "mlp_2",
            "reference": {"machine": place(1000, 1), "alone": place(500, 1)},
            "ours": [{"mode": "fp32", "seeds": 3, "machine": place(7250, 7.25), "alone": place(3000, 6)}],
        }
    ],
    "roofline": [
        {
            "network": "mlp_2",
            "mode": "fp32",
            "seeds": 3,
            "layout": Layout(2, 1).as_json(),
            "ceiling": {"step_ms": 1.5, "step_gflop": 0.3, "square_gflops": 250.0},
            "ours": {"step_ms": 2.0, "profiled_ms": {"products": 1.6, "data": 0.4}},
            "share": 0.75,
        }
    ],
    "accuracy": [
        {
            "network": "mlp_2",
            "dataset": "fashion_mnist",
            "train": 60_000,
            "test": 10_000,
            "length": "10ep",
            "loops": {
                "reference": {"mean": 0.88, "standard_error": 0.001},
                "fp32": {
                    "mean": 0.881,
                    "standard_error": 0.001,
                    "difference": 0.001,
                    "standard_error_of_difference": 0.0014,
                    "equal": True,
                },
            },
        }
    ],
}


class TestReplaced:
    def test_only_what_stands_between_the_markers_changes(self) -> None:
        page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
        assert replaced(page, "new") == f"above\n{BEGIN}\nnew\n{END}\nbelow\n"

    @pytest.mark.parametrize(
        "page", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"]
    )
    def test_a_page_without_its_markers_is_refused(self, page: str) -> None:
        with pytest.raises(ValueError, match="once each"):
            replaced(page, "new")

    def test_the_page_shows_what_is_kept(self) -> None:
        page = (DOCS / "performance.md").read_text()
        assert replaced(page, tables(kept())) == page


class TestTables:
    def test_rates_and_ratios_of_both_places(self) -> None:
        row = "| mlp_2 | fp32, 3 seeds | 7,250 | **7.25** | 2 × 1 thread | 3,000 | **6.00** | 2 × 1 thread |"
        assert row in tables(MEASURED).splitlines()

    def test_the_share_of_the_ceiling(self) -> None:
        row = "| mlp_2 | fp32, 3 seeds | 2 × 1 thread | 2.00 | 1.50 | **75%** | 0.30 | 200 | 250 |"
        assert row in tables(MEASURED).splitlines()

    def test_the_difference_of_accuracies_beside_twice_its_error(self) -> None:
        text = tables(MEASURED)
        assert "| fp32 | 88.10% ± 0.10% | +0.10 | 0.28 | yes |" in text

    def test_what_was_not_measured_is_left_out(self) -> None:
        assert "|" not in tables({"machine": MEASURED["machine"]})

    def test_sparsity_is_claimed_where_it_was_faster_alone(self) -> None:
        pays = {"name": "a", "dense_ms": 0.2, "sparse_ms": 0.1, "pays": True, "break_even": 0.1}
        does_not = {"name": "b", "dense_ms": 0.2, "sparse_ms": 0.3, "pays": False, "break_even": None}
        larger = {"name": "c", "dense_ms": 0.2, "sparse_ms": None, "pays": False, "break_even": None}
        dense = {"form": "dense", "ms": 0.6, "faster": False}
        lost = {"form": "sparse", "ms": None, "faster": False}
        won = {"form": "sparse", "ms": 0.5, "faster": True}
        batches = [
            {"batch": 1, "forms": [dense, lost], "layers": [does_not]},
            {"batch": 128, "forms": [dense, won], "layers": [pays, does_not, larger]},
        ]
        found = [{"network": "mlp_2", "threads": 2, "batches": batches}]
        lines = tables({"machine": MEASURED["machine"], "sparsity": found}).splitlines()
        assert "| mlp_2 | 2 | 1 | 0.600 | no layer pays | 0 of 1 | no |" in lines
        assert "| mlp_2 | 2 | 128 | 0.600 | 0.500 | 1 of 3 | **yes** |" in lines
        assert "| mlp_2 | a | 128 | 0.2000 | 0.1000 | **10 %** |" in lines
        assert "| mlp_2 | b | 128 | 0.2000 | 0.3000 | none |" in lines
        assert not any("| c |" in line for line in lines)

    def test_what_was_predicted_stands_beside_what_was_taken(self) -> None:
        line = {
            "study": "s",
            "jobs": 14,
            "trainings": 48.0,
            "predicted": 79.04,
            "taken": 70.49,
            "ratio": 1.121,
        }
        found = tables({"machine": MEASURED["machine"], "plans": [line]})
        assert "| s | 14 | 48 | 79.0 | 70.5 | **1.12** |" in found.splitlines()


class TestDraw:
    @pytest.mark.parametrize("measured", [MEASURED, {}])
    def test_the_same_figures_give_the_same_bytes(self, measured: dict[str, Any], tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("a.svg", "b.svg")]
        for path in paths:
            figure.draw(measured, path)
        first, second = (path.read_bytes() for path in paths)
        assert first == second

    def test_the_ratio_is_written_beside_its_bar(self, tmp_path: Path) -> None:
        figure.draw(MEASURED, tmp_path / "a.svg")
        assert ">7.25<" in (tmp_path / "a.svg").read_text()
