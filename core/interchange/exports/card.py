"""The model card of a ticket: YAML front matter, its figures, its lineage, and how PyTorch opens it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from core.interchange.exports.source import Figure, Source

_USE = """
## Use

`network` is the architecture's `torch.nn.Module`. Pruned weights stay zero while it trains:

```python
from safetensors.torch import load_file

state = load_file("model.safetensors")
masks = {key.removesuffix("_mask"): state.pop(key) for key in list(state) if key.endswith("_mask")}
network.load_state_dict(state)
for name, mask in masks.items():
    network.get_parameter(name).register_hook(lambda gradient, mask=mask: gradient * mask)
```
"""


def card(source: Source) -> str:
    """The text of `README.md`."""
    ticket, name = source.ticket, source.ticket.architecture.name
    title = f"\n# {name}, {_percent(ticket.sparsity)} sparse\n\n"
    summary = (
        "A lottery ticket: the mask of a sparse network and the weights to train it from, "
        f"at step {ticket.rewind_step:,} of a training. They are not trained further than that.\n\n"
    )
    facts = _table(("", ""), _facts(source))
    return (
        _front_matter(source) + title + summary + facts + _accuracy(source.figures) + _lineage(source) + _USE
    )


def _front_matter(source: Source) -> str:
    """YAML whose values are JSON, which YAML contains."""
    architecture = source.ticket.architecture
    fields: dict[str, Any] = {
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["elasticket", "lottery-ticket", "pruning", "sparse", architecture.family],
    }
    if source.figures:
        results = [_result(figure) for figure in source.figures]
        fields["model-index"] = [{"name": architecture.name, "results": results}]
    lines = (f"{key}: {json.dumps(value)}\n" for key, value in fields.items())
    return f"---\n{''.join(lines)}---\n"


def _result(figure: Figure) -> dict[str, Any]:
    return {
        "task": {"type": "image-classification"},
        "dataset": {"type": figure.dataset, "name": figure.dataset},
        "metrics": [{"type": "accuracy", "name": _point(figure), "value": figure.mean}],
    }


def _facts(source: Source) -> Iterable[tuple[str, str]]:
    ticket, metadata = source.ticket, source.metadata
    architecture = ticket.architecture
    yield (
        "Architecture",
        f"`{architecture.name}`, input {list(architecture.input)}, {architecture.classes} classes",
    )
    yield "Surviving weights", f"{ticket.survivors:,} of {ticket.prunable_weights:,}"
    yield "Sparsity", _percent(ticket.sparsity)
    yield "Rewind step", f"{ticket.rewind_step:,}"
    stated = {
        "Nominal level": metadata.level,
        "Method": metadata.method,
        "Dataset": metadata.dataset,
        "Seed": metadata.seed,
    }
    yield from ((key, f"`{value}`") for key, value in stated.items() if value is not None)
    yield "Ticket", f"`{source.identity}`"


def _accuracy(figures: Iterable[Figure]) -> str:
    rows = [
        (
            f"`{figure.dataset}`",
            _point(figure),
            _percent(figure.mean)
            if figure.std is None
            else f"{_percent(figure.mean)} ± {_percent(figure.std)}",
            str(figure.count),
        )
        for figure in figures
    ]
    head = ("Dataset", "Measured", "Accuracy", "Times")
    return f"\n## Test accuracy after training it\n\n{_table(head, rows)}" if rows else ""


def _lineage(source: Source) -> str:
    rows = [
        (f"`{one.identity}`", f"`{one.architecture}`", one.method or "", _percent(one.sparsity))
        for one in source.lineage
    ]
    head = ("Ticket", "Architecture", "Method", "Sparsity")
    return f"\n## Transformed from, nearest first\n\n{_table(head, rows)}" if rows else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _point(figure: Figure) -> str:
    return {"last": "after the last step", "best": "best epoch, test-selected"}.get(
        figure.point, figure.point
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"
