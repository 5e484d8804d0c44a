"""Stretch or squeeze tickets into another member of their family (E-LTH, section 3)."""

from __future__ import annotations

from functools import partial
from typing import Any

from core.elastic.unit_map import format_map
from core.experiments.lab import Lab
from core.jobs.specs import TransformSpec
from core.jobs.transforms import Plan, carry, plan
from core.tickets import Metadata


def transform(spec: TransformSpec, lab: Lab) -> None:
    """Run a transform job: one new ticket per ticket given goes to the lab's outcome."""
    for identity in spec.tickets:
        file = lab.ticket(identity)
        planned = plan(spec, file.ticket.architecture, lab.describe)
        seed = file.metadata.seed or 0
        lab.produce(
            carry(planned, file.ticket, seed, partial(lab.dense_weights, identity)),
            Metadata(
                # θ_k stays what it was trained on: only there does a training continue at k.
                dataset=file.metadata.dataset,
                method="ett",
                seed=file.metadata.seed,
                level=file.metadata.level,
                parent=identity,
                details=details(planned),
            ),
        )


def details(planned: Plan) -> dict[str, Any]:
    """What the new ticket's provenance says: the unit map, and whatever departs from the plain transformation."""
    spec = planned.spec
    ablations = {"weights", "permute", "norm", "start"}
    said = spec.model_dump(mode="json", include=ablations, exclude_defaults=True)
    if spec.via:
        said["via"] = [hop.architecture for hop in spec.via]
    if planned.wide.name != planned.deep.name and spec.weights == "replicate":
        said["noise"] = spec.noise
    if planned.fresh:
        said["fresh"] = sorted(planned.fresh)
    if planned.target != planned.wide:
        said["refit"] = spec.dataset
    return {"unit_map": format_map(planned.unit_map), **said}
