"""What was measured: kept in bench/results, and shown as tables and a figure in docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench import figure
from bench.layouts import Layout
from bench.machine import machine
from bench.ours import Variant

RESULTS = Path(__file__).parent / "results" / "bench.json"
DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- measured: written by bench.report -->", "<!-- measured: end -->"


def kept() -> dict[str, Any]:
    """All figures of earlier runs, by part."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def update(**parts: Any) -> dict[str, Any]:
    """Keep the figures of these parts beside those of others, rewrite page and figure; everything that is kept now."""
    measured = kept() | {"machine": machine(), **parts}
    RESULTS.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n")
    page = DOCS / "performance.md"
    page.write_text(replaced(page.read_text(), tables(measured)))
    figure.draw(measured, DOCS / "figures" / "training.svg")
    return measured


def replaced(page: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    """The page with what stands between its markers replaced.

    Raises `ValueError` where a marker is missing or there are two.
    """
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended or begin in rest or end in after:
        raise ValueError(f"the page needs {begin} and {end}, once each and in this order")
    return f"{before}{begin}\n{text}\n{end}{after}"


def tables(measured: dict[str, Any]) -> str:
    """The machine, and a table for each part that was measured."""
    parts = [_machine(measured["machine"])]
    if "training" in measured:
        parts.append(_training(measured["training"]))
    if "roofline" in measured:
        parts += [_roofline(measured["roofline"]), _spent(measured["roofline"])]
    if "accuracy" in measured:
        parts.append(_accuracy(measured["accuracy"]))
    if "sparsity" in measured:
        parts += [_forms(measured["sparsity"]), _break_even(measured["sparsity"])]
    if "plans" in measured:
        parts.append(_plans(measured["plans"]))
    return "\n\n".join(parts)


def _machine(found: dict[str, Any]) -> str:
    return (
        f"Measured on {found['processor']} (family and model {found['family_model']}), {found['cores']} cores, "
        f"{', '.join(found['extensions'])}; torch {found['torch']}, Python {found['python']}."
    )


def _training(compared: Iterable[dict[str, Any]]) -> str:
    rows = []
    for found in compared:
        loops = [("reference", found["reference"])]
        loops += [(str(Variant(ours["mode"], ours["seeds"])), ours) for ours in found["ours"]]
        for loop, figures in loops:
            row = [found["network"], loop]
            for place in ("machine", "alone"):
                best = figures[place]
                ratio = "" if loop == "reference" else f"**{best['ratio']:.2f}**"
                row += [f"{best['images_per_second']:,.0f}", ratio, str(Layout(**best["layout"]))]
            rows.append(row)
    head = ["network", "loop", "images/s, whole machine", "ratio", "layout"]
    return table([*head, "images/s, one process", "ratio", "layout"], rows)


def _roofline(found: Iterable[dict[str, Any]]) -> str:
    head = ["network", "ours", "layout", "step, ms", "its products alone, ms", "share"]
    head += ["their GFLOP", "their GFLOP/s", "2048 square, GFLOP/s"]
    rows = []
    for line in found:
        ceiling = line["ceiling"]
        rows.append(
            [
                *_who(line),
                str(Layout(**line["layout"])),
                f"{line['ours']['step_ms']:.2f}",
                f"{ceiling['step_ms']:.2f}",
                f"**{line['share']:.0%}**",
                f"{ceiling['step_gflop']:.2f}",
                f"{ceiling['step_gflop'] / ceiling['step_ms'] * 1000:.0f}",
                f"{ceiling['square_gflops']:.0f}",
            ]
        )
    return table(head, rows)


def _spent(found: Sequence[dict[str, Any]]) -> str:
    categories = list(found[0]["ours"]["profiled_ms"])
    rows = [
        [*_who(line), *(f"{line['ours']['profiled_ms'][category]:.2f}" for category in categories)]
        for line in found
    ]
    return "Milliseconds of a seed's step under the profiler:\n\n" + table(
        ["network", "ours", *categories], rows
    )


def _accuracy(found: Iterable[dict[str, Any]]) -> str:
    rows = []
    for line in found:
        for loop, figures in line["loops"].items():
            row = [line["network"], f"{line['dataset']}, {line['train']:,} images, {line['length']}", loop]
            row += [f"{figures['mean']:.2%} ± {figures['standard_error']:.2%}"]
            if "difference" in figures:
                bound = 2 * figures["standard_error_of_difference"]
                row += [f"{100 * figures['difference']:+.2f}", f"{100 * bound:.2f}"]
                row += ["yes" if figures["equal"] else "**no**"]
            else:
                row += [""] * 3
            rows.append(row)
    head = [
        "network",
        "data",
        "loop",
        "accuracy ± standard error",
        "difference, points",
        "2 × its standard error",
    ]
    return table([*head, "within"], rows)


def _forms(found: Iterable[dict[str, Any]]) -> str:
    rows = []
    for line in found:
        for at in line["batches"]:
            forms = {form["form"]: form for form in at["forms"]}
            # Of random masks compaction leaves out next to nothing.
            dense, sparse = forms["dense"], forms["sparse"]
            paying = sum(layer["pays"] for layer in at["layers"])
            row = [line["network"], str(line["threads"]), str(at["batch"]), f"{dense['ms']:.3f}"]
            row += ["no layer pays" if sparse["ms"] is None else f"{sparse['ms']:.3f}"]
            rows.append([*row, f"{paying} of {len(at['layers'])}", "**yes**" if sparse["faster"] else "no"])
    head = [
        "network at 10.74 % density",
        "threads",
        "batch",
        "dense, ms",
        "sparse, ms",
        "pays in layers",
        "faster",
    ]
    said = "A forward pass where the layers that it pays for are compressed sparse rows:"
    return f"{said}\n\n{table(head, rows)}"


def _break_even(found: Iterable[dict[str, Any]]) -> str:
    rows = []
    for line in found:
        for at in line["batches"]:
            for layer in at["layers"]:
                if layer["sparse_ms"] is not None:
                    even = layer["break_even"]
                    row = [line["network"], layer["name"], str(at["batch"])]
                    row += [f"{layer[form]:.4f}" for form in ("dense_ms", "sparse_ms")]
                    rows.append([*row, "none" if even is None else f"**{100 * even:g} %**"])
    head = [
        "network",
        "layer",
        "batch",
        "dense, ms",
        "sparse at the ticket's density, ms",
        "break-even density",
    ]
    said = "By layer; break-even is the largest density tried at which, as at all smaller ones, sparse is faster:"
    return f"{said}\n\n{table(head, rows)}"


def _plans(found: Iterable[dict[str, Any]]) -> str:
    rows = [
        [
            line["study"],
            str(line["jobs"]),
            f"{line['trainings']:g}",
            f"{line['predicted']:.1f}",
            f"{line['taken']:.1f}",
            f"**{line['ratio']:.2f}**",
        ]
        for line in found
    ]
    said = (
        "Device-seconds of studies, by what one study on mlp_2 and mlp_3 had taught ([costs.md](costs.md)):"
    )
    return f"{said}\n\n{table(['study', 'jobs', 'trainings', 'predicted', 'taken', 'ratio'], rows)}"


def _who(line: dict[str, Any]) -> list[str]:
    return [line["network"], str(Variant(line["mode"], line["seeds"]))]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
