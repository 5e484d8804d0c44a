"""A ticket's lineage as a drawing: tickets and the jobs between them, ancestors to the left, children to the right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from api.pages.formats import percent, short
from core.catalog.tables import Provenance, Ticket
from core.studies.words import plural

MOST = 12
"""Ancestors and children that are drawn; the list has the others."""

WIDTH, HEIGHT = 148, 48
GAP_X, GAP_Y = 40, 14
MARGIN = 4


@dataclass(frozen=True)
class Node:
    """One box. `column` counts from the left; None for `href` where it leads nowhere."""

    kind: Literal["ticket", "this", "job", "more"]
    column: int
    label: str
    note: str
    href: str | None
    x: int = 0
    y: int = 0


@dataclass(frozen=True)
class Drawing:
    """Boxes in their places, and the curves between them."""

    width: int
    height: int
    nodes: Sequence[Node]
    edges: Sequence[str]

    @property
    def worth(self) -> bool:
        """Whether there is more than the ticket itself to see."""
        return len(self.nodes) > 1


class _Graph:
    """Nodes by name in the order they came, and edges between names."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], None] = {}

    def add(self, name: str, node: Node) -> None:
        self.nodes.setdefault(name, node)

    def join(self, a: str, b: str) -> None:
        self.edges[a, b] = None


def drawing(ticket: Ticket, ancestors: Sequence[Ticket], children: Sequence[Ticket]) -> Drawing:
    """Lay out a ticket with its nearest ancestors and its first children."""
    up, down = ancestors[:MOST], children[:MOST]
    generation = _generations(ticket, up) | {child.id: 1 for child in down}
    graph = _Graph()
    for one in (*up, ticket, *down):
        kind: Literal["ticket", "this"] = "this" if one.id == ticket.id else "ticket"
        graph.add(
            one.id,
            Node(
                kind,
                2 * generation[one.id],
                f"{one.architecture} {short(one.id)}",
                f"{percent(one.sparsity)} removed" if one.deleted_at is None else "deleted",
                None if kind == "this" else f"/ui/tickets/{one.id}",
            ),
        )
        # A child may have other parents, which are no ancestors of this ticket.
        for origin in one.provenance:
            _origin(graph, one.id, origin, generation)
    if len(children) > MOST:
        more = plural(len(children) - MOST, "more child", "more children")
        graph.add(
            "more", Node("more", 2, more, "list them", f"/ui/tickets?{urlencode({'parent': ticket.id})}")
        )
        graph.join(ticket.id, "more")
    return _placed(graph)


def _generations(ticket: Ticket, ancestors: Iterable[Ticket]) -> dict[str, int]:
    """How far each ancestor is above the ticket, as a negative number; they come nearest first."""
    found = {ticket.id: 0}
    rows = {ticket.id: ticket} | {one.id: one for one in ancestors}
    frontier = [ticket.id]
    while frontier:
        parents = [
            (origin.parent_id, found[one] - 1)
            for one in frontier
            for origin in rows[one].provenance
            if origin.parent_id in rows and origin.parent_id not in found
        ]
        frontier = list(dict.fromkeys(parent for parent, _ in parents if parent is not None))
        found |= {parent: level for parent, level in parents if parent is not None}
    return found


def _origin(graph: _Graph, child: str, origin: Provenance, generation: dict[str, int]) -> None:
    parent = origin.parent_id if origin.parent_id in generation else None
    if parent is not None and generation[parent] >= generation[child]:
        return
    if origin.job_id is None:
        if parent is not None:
            graph.join(parent, child)
        return
    if parent is None and origin.parent_id is not None:
        return
    column = 2 * generation[child] - 1
    # A job that made several of these stands once in each column.
    name = f"{origin.job_id} {column}"
    graph.add(
        name, Node("job", column, origin.method, f"job {short(origin.job_id)}", f"/ui/jobs/{origin.job_id}")
    )
    graph.join(name, child)
    if parent is not None:
        graph.join(parent, name)


def _placed(graph: _Graph) -> Drawing:
    columns: dict[int, list[str]] = defaultdict(list)
    for name, node in graph.nodes.items():
        columns[node.column].append(name)
    tallest = max(len(names) for names in columns.values())
    height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    placed: dict[str, Node] = {}
    for place, column in enumerate(sorted(columns)):
        names = columns[column]
        top = (height - len(names) * (HEIGHT + GAP_Y) + GAP_Y) // 2
        for row, name in enumerate(names):
            node = graph.nodes[name]
            x, y = MARGIN + place * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y)
            placed[name] = Node(node.kind, node.column, node.label, node.note, node.href, x, y)
    edges = [_curve(placed[a], placed[b]) for a, b in graph.edges if a in placed and b in placed]
    width = len(columns) * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    return Drawing(width, height, list(placed.values()), edges)


def _curve(a: Node, b: Node) -> str:
    x, y, to_x, to_y = a.x + WIDTH, a.y + HEIGHT // 2, b.x, b.y + HEIGHT // 2
    middle = (x + to_x) // 2
    return f"M{x} {y}C{middle} {y} {middle} {to_y} {to_x} {to_y}"
