"""Find an early-bird ticket: train the dense network until its channel masks settle (You et al., 2020, algorithm 1)."""

from __future__ import annotations

import logging

from core.datasets import Dataset
from core.experiments.lab import Arrays, Lab, Training
from core.experiments.rewinding import unpruned
from core.families.architecture import Architecture
from core.jobs.methods import EarlyBirdParameters
from core.jobs.recipes import steps, steps_per_epoch
from core.jobs.specs import FindSpec
from core.models.initial import initial
from core.pruning.channels import check_channels, weight_masks, written_by
from core.pruning.early_bird import ChannelMask, channel_mask, distances, emptied, settled
from core.tickets import Metadata, Ticket
from core.training.loop import Trained

log = logging.getLogger(__name__)


def early_bird(
    spec: FindSpec,
    parameters: EarlyBirdParameters,
    network: Architecture,
    dataset: Dataset,
    seed: int,
    lab: Lab,
) -> None:
    """Train from initialisation, and draw the channel mask after every epoch; the first that agrees with those of the
    window is the ticket's, laid over the weights of that epoch, else that of the recipe's end.

    The training goes on through the epochs as if nobody looked. Masks are noted as they are drawn: a later attempt
    looks at none of these epochs again. Raises `NoChannels` for a network without batch normalisation.
    """
    check_channels(network)
    recipe = spec.full_recipe
    per_epoch = steps_per_epoch(dataset.facts.train, recipe.batch)
    end = steps(recipe.length, per_epoch)
    theta_0 = initial(network, seed)
    whole = unpruned(network)

    def train_to(step: int, after: Trained | None) -> Trained:
        training = Training(f"seed {seed}", seed, theta_0, whole, after=after)
        start = after.steps if after else 0
        (trained,) = lab.train(
            [training],
            network,
            dataset,
            recipe,
            start_step=start,
            end_step=step,
            exact=spec.exact,
            shared=False,
        )
        return trained

    history: list[ChannelMask] = []
    trained: Trained | None = None
    for step in (*range(per_epoch, end, per_epoch), end):
        name = f"seed {seed}, channels at step {step}"
        mask = lab.remembered(name)
        if mask is None:
            trained = train_to(step, trained)
            mask = draw(network, trained.weights, parameters.channels, recipe.dense)
            lab.note(name, mask)
        history.append(mask)
        if settled(history, parameters.window, parameters.distance):
            break
    drawn = history[-1]
    if empty := emptied(drawn):
        log.warning("no channel survives in %s", ", ".join(empty))
    trained = train_to(step, trained)
    lab.spare(end - step)
    lab.record_run(trained, network, dataset, seed=seed, order_seed=seed, start_step=0, masks=whole)
    lab.produce(
        Ticket.from_dense(network, step, weight_masks(network, drawn, recipe.dense), trained.weights),
        Metadata(
            dataset=spec.dataset,
            method="early_bird",
            seed=seed,
            details={
                **parameters.model_dump(mode="json"),
                "epoch": len(history),
                "settled": settled(history, parameters.window, parameters.distance),
                "distances": distances(history),
                "channels_pruned": sum(kept.size - int(kept.sum()) for kept in drawn.values()),
                "channels_normalised": sum(kept.size for kept in drawn.values()),
                "recipe": recipe.model_dump(mode="json"),
            },
        ),
        {0: theta_0, step: trained.weights},
    )


def draw(network: Architecture, weights: Arrays, share: float, dense: tuple[str, ...]) -> ChannelMask:
    """The channel mask of these weights; what tensors write that are kept dense is not there to be pruned."""
    writers = written_by(network)
    spared = [scale for scale, weight in writers.items() if weight in dense]
    return channel_mask({scale: weights[scale] for scale in writers}, share, spared)
