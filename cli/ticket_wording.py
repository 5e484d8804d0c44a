"""Tickets in words, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from api.client.models.tickets import (
    Anatomy,
    Layers,
    Lineage,
    Overlap,
    Recognised,
    Relative,
    Results,
    Ticket,
    TicketComparison,
)
from cli.printing import Words
from core.studies.table import Spread, Table


def ticket_words(ticket: Ticket) -> Words:
    """A ticket's figures, and where it comes from."""
    kept = (
        f"{ticket.survivors:,} of {ticket.prunable:,} weights survive ({100 * ticket.sparsity:.2f} % pruned)"
    )
    head = f"  {ticket.architecture}: {kept}, rewound to step {ticket.rewind_step}"
    lines = [f"ticket {ticket.id}", head]
    for origin in ticket.provenance:
        said = [origin.method, *([f"on {origin.dataset}"] if origin.dataset else [])]
        said += [f"seed {origin.seed}"] if origin.seed is not None else []
        said += [f"of ticket {origin.parent[:16]}"] if origin.parent else []
        said += [f"by job {origin.job}"] if origin.job else []
        lines.append(f"  {', '.join(said)}")
    lines += [f"  tags: {', '.join(ticket.tags)}"] if ticket.tags else []
    return "\n".join(lines)


def recognised_words(found: Recognised) -> Words:
    """What a file is, and what would become of it."""
    becomes = {"ticket": "entered at once", "import": "imported by a job"}[found.outcome]
    head = [f"{found.title}: {found.size:,} bytes; {becomes}", *(f"  {note}" for note in found.notes)]
    head += [f"  it does not say: {', '.join(found.unsaid)}"] if found.unsaid else []
    rows = tuple(
        (
            one.id,
            one.architecture,
            "yes" if one.here else "no",
            f"{100 * one.sparsity:.2f} %",
            f"{one.survivors:,}",
        )
        for one in found.tickets
    )
    table = Table(("ticket", "network", "here already", "sparsity", "survivors"), rows, words=3)
    return ["\n".join(head), table] if rows else "\n".join(head)


def tickets_table(tickets: Sequence[Ticket | Relative]) -> Table:
    """A list of tickets."""
    return Table(
        ("ticket", "network", "made by", "sparsity", "survivors"),
        tuple(
            (
                ticket.id,
                ticket.architecture,
                ", ".join(dict.fromkeys(origin.method for origin in ticket.provenance)),
                f"{100 * ticket.sparsity:.2f} %",
                f"{ticket.survivors:,}",
            )
            for ticket in tickets
        ),
        words=3,
    )


def layers_table(layers: Layers) -> Table:
    """The survivors of each prunable tensor."""
    return Table(
        ("tensor", "shape", "survivors", "of", "sparsity", "effective"),
        tuple(
            (
                layer.name,
                "×".join(map(str, layer.shape)),
                f"{layer.survivors:,}",
                f"{layer.size:,}",
                f"{100 * layer.sparsity:.2f} %",
                "-" if layer.effective_survivors is None else f"{layer.effective_survivors:,}",
            )
            for layer in layers.layers
        ),
        words=2,
    )


def lineage_words(lineage: Lineage) -> Words:
    """What a ticket was transformed from, nearest first, and what was transformed from it."""
    found: list[str | Table] = []
    for what, relatives in (("from", lineage.ancestors), ("to", lineage.children)):
        if relatives:
            found += [f"transformed {what}:", tickets_table(relatives)]
    return found or "neither transformed from another ticket nor to one"


def results_words(results: Results) -> Words:
    """A ticket's accuracies, by dataset and point."""
    if not results.summary:
        return "not measured yet"
    return Table(
        ("dataset", "measured", "times", "accuracy, %"),
        tuple(
            (
                one.dataset,
                one.point,
                str(one.count),
                f"{Spread(100 * one.mean, None if one.std is None else 100 * one.std):.2f}",
            )
            for one in results.summary
        ),
        words=2,
    )


def anatomy_words(anatomy: Anatomy) -> Words:
    """Which units repeat, stage by stage."""
    if not anatomy.stages:
        return f"{anatomy.architecture}: nothing repeats"
    return Table(
        ("stage", "units", "entries"),
        tuple((stage.name, str(len(stage.units)), str(len(stage.entries))) for stage in anatomy.stages),
    )


def comparison_words(comparison: TicketComparison) -> Words:
    """How much two tickets agree."""
    rows: list[tuple[str, Overlap]] = [
        *((row.name, Overlap.model_validate(row.model_dump())) for row in comparison.tensors),
        ("all of these", comparison.total),
    ]
    table = Table(
        ("tensor", "survivors a", "survivors b", "both", "IoU", "by chance", "cosine", "same sign"),
        tuple(
            (
                name,
                *(f"{count:,}" for count in (row.survivors_a, row.survivors_b, row.both)),
                *map(_share, (row.iou, row.chance, row.cosine, row.sign_agreement)),
            )
            for name, row in rows
        ),
    )
    apart = {
        "only in a": comparison.only_a,
        "only in b": comparison.only_b,
        "of other shapes": comparison.other_shape,
    }
    return [table, *(f"{what}: {', '.join(names)}" for what, names in apart.items() if names)]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
