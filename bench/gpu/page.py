"""The report as a page to read: only what was really run, labelled with what it was run on and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench.gpu.contest import ROUNDS, best_reference, medians

PUBLISHED = "91.7 to 92.5 %"
TARGET = 15


def page(data: dict[str, Any]) -> str:
    """Markdown of all that a report knows."""
    parts = ["# On a GPU: speed, a training, iterative magnitude pruning", _asked(data["settings"])]
    speed = data.get("speed", {})
    if speed.get("rounds"):
        parts.append(_speed(speed))
    if data["trainings"]:
        parts.append(_dense(data))
        parts.append(_levels(data))
    parts.append(_slices(data["slices"]))
    if data.get("left"):
        parts.append(f"**Not run yet**: {', '.join(data['left'])}.")
    return "\n\n".join(filter(None, parts)) + "\n"


def _asked(settings: dict[str, Any]) -> str:
    exact = "exact" if settings["exact"] else "fast, the mode as measured"
    return (
        f"`{settings['network']}` on {settings['dataset']} ({settings['pixels']}; SHA-256 of its images and labels"
        f" `{settings['data']}`), {settings['epochs']} epochs, {exact}; {settings['seeds']} seed"
        f"{'s' * (settings['seeds'] > 1)}; per level 20 % of the survivors are pruned, and the rest rewound to step"
        f" {settings['rewind']}, to level {settings['levels']}."
    )


def _machine(machine: dict[str, Any]) -> str:
    return (
        f"{machine['device']}, {machine['cores']} cores of {machine['processor']}, torch {machine['torch']},"
        f" Python {machine['python']}"
    )


def _speed(speed: dict[str, Any]) -> str:
    rates = medians(speed)
    plain = best_reference(rates)
    rows = []
    for name, rate in sorted(rates.items(), key=lambda item: -item[1]):
        windows = [found[name] for found in speed["rounds"]]
        ratio = f"**{rate / plain:.2f}**" if plain else ""
        rows.append([name, f"{rate:,.0f}", f"{min(windows):,.0f} … {max(windows):,.0f}", ratio])
    subject = speed["subject"]
    described = (
        f"`{subject['network']}`, batch 128, {subject['images']:,} random images, under a mask of level 10, on"
        f" {_machine(speed['machine'])}. Medians of {len(speed['rounds'])} of {ROUNDS} rounds in which every loop"
        f" trains for a window of about {subject['seconds']:g} s in turn; the ratio is to the reference with the"
        f" number of loaders that suits it best (target for the best mode: {TARGET})."
    )
    table = _table(["loop", "images/s", "least … most", "ratio"], rows)
    left_out = [f"Left out: {name}: {reason}." for name, reason in speed["left_out"].items()]
    return "\n\n".join(["## Images per second", described, table, *left_out])


def _dense(data: dict[str, Any]) -> str:
    settings = data["settings"]
    rows = [
        [
            str(seed),
            f"**{found['accuracy']:.2%}**",
            f"{found['best_accuracy']:.2%} (epoch {found['best_epoch']})",
            f"{found['seconds']:,.0f}",
            _modes(data, name),
        ]
        for seed in range(settings["seeds"])
        if (found := data["trainings"].get(name := f"seed-{seed}-dense"))
    ]
    if not rows:
        return ""
    described = (
        f"Published for ResNet-20 on the original pixels, 160 epochs: {PUBLISHED}. Here: {settings['pixels']},"
        f" {settings['epochs']} epochs. The best epoch is selected on the test images."
    )
    table = _table(["seed", "accuracy after the last step", "best epoch", "seconds", "computed with"], rows)
    return "\n\n".join([f"## The dense network, {settings['epochs']} epochs", described, table])


def _levels(data: dict[str, Any]) -> str:
    rows = [
        [
            name.removeprefix("seed-").replace("-level-", ", "),
            f"{found['sparsity']:.2%}",
            f"**{found['accuracy']:.2%}**",
            f"{found['best_accuracy']:.2%} (epoch {found['best_epoch']})",
            f"{found['seconds']:,.0f}",
            _modes(data, name),
        ]
        for name, found in sorted(data["trainings"].items())
        if "-level-" in name
    ]
    if not rows:
        return ""
    head = [
        "seed, level",
        "sparsity",
        "accuracy after the last step",
        "best epoch",
        "seconds",
        "computed with",
    ]
    return "\n\n".join(["## Iterative magnitude pruning", _table(head, rows)])


def _modes(data: dict[str, Any], part: str) -> str:
    """Every mode and device that worked on a part, each once."""
    found = dict.fromkeys(
        f"{work['mode']} on {made['machine']['device']}"
        for made in data["slices"]
        for work in made["work"]
        if work["part"] == part
    )
    return "; ".join(found)


def _slices(slices: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            str(number),
            f"{made['seconds']:,.0f}",
            _machine(made["machine"]),
            ", ".join(dict.fromkeys(work["part"] for work in made["work"])),
        ]
        for number, made in enumerate(slices, 1)
    ]
    total = sum(made["seconds"] for made in slices)
    return "\n\n".join(
        [f"## Slices, {total:,.0f} s in all", _table(["slice", "seconds", "machine", "worked on"], rows)]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
