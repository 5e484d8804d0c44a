"""Stretch or squeeze tickets into another member of their family (E-LTH, section 3)."""

from __future__ import annotations

import numpy as np

from core.elastic.transform import transform as replicate_or_drop
from core.elastic.unit_map import format_map
from core.experiments.lab import Lab
from core.families.initialisation import initialise
from core.jobs.specs import TransformSpec
from core.jobs.transforms import Plan, plan
from core.tickets import Mask, Metadata, Ticket, TicketFile


def transform(spec: TransformSpec, lab: Lab) -> None:
    """Run a transform job: one new ticket per ticket given goes to the lab's outcome."""
    for identity in spec.tickets:
        file = lab.ticket(identity)
        planned = plan(spec, file.ticket.architecture)
        lab.produce(
            carry(file, planned),
            Metadata(
                # θ_k stays what it was trained on: only there does a training continue at k.
                dataset=file.metadata.dataset,
                method="ett",
                seed=file.metadata.seed,
                level=file.metadata.level,
                parent=identity,
                details={"unit_map": format_map(planned.unit_map)},
            ),
        )


def carry(file: TicketFile, planned: Plan) -> Ticket:
    """The ticket on the target: masks, rewound weights and normalisation follow the unit map; fresh tensors are
    drawn from the ticket's seed and start dense.
    """
    ticket, target = file.ticket, planned.target
    anatomies = planned.source.anatomy, target.anatomy
    masks = replicate_or_drop(ticket.masks, *anatomies, planned.unit_map)
    kept = replicate_or_drop(ticket.kept, *anatomies, planned.unit_map)
    dense = replicate_or_drop(ticket.dense, *anatomies, planned.unit_map)
    for name, values in initialise(target, file.metadata.seed or 0, planned.fresh).items():
        if target.specs[name].prunable:
            masks[name] = Mask.from_bool(np.ones(values.shape, bool))
            kept[name] = values.ravel()
        else:
            dense[name] = values
    return Ticket(target, ticket.rewind_step, masks, kept, dense)
