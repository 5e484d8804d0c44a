"""A finished training as jobs share it: its weights, and everything else as JSON."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from core.tickets.mask import Mask
from core.training.checkpoint import EpochRecord
from core.training.fingerprint import Fingerprint
from core.training.loop import Trained
from core.training.speed import Speed

_APART = ("weights", "slots", "weights_digest")


class SharedTraining(Trained):
    """What a training came to that another job has done; what its optimiser remembered is not known."""

    @classmethod
    def of(cls, trained: Trained) -> Self:
        """A training that was done here, for others."""
        return cls(**vars(trained))

    def about(self) -> dict[str, Any]:
        """All of it but the arrays, as a JSON object."""
        told = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _APART}
        return told | {
            "history": [asdict(record) for record in self.history],
            "speed": asdict(self.speed),
            "fingerprint": asdict(self.fingerprint),
            "masks": None
            if self.masks is None
            else {name: _packed(mask) for name, mask in self.masks.items()},
        }

    @classmethod
    def from_parts(cls, about: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> Self:
        """The training of `about`'s object and its weights."""
        # Records from before masks could change have none.
        masks = about.get("masks")
        return cls(
            weights=weights,
            **{
                **about,
                "history": tuple(EpochRecord(**record) for record in about["history"]),
                "speed": Speed(**about["speed"]),
                "fingerprint": Fingerprint(**about["fingerprint"]),
                "masks": None if masks is None else {name: _unpacked(mask) for name, mask in masks.items()},
            },
        )


def _packed(mask: NDArray[np.bool_]) -> dict[str, Any]:
    return {"shape": mask.shape, "bits": b64encode(Mask.from_bool(mask).bits.tobytes()).decode()}


def _unpacked(packed: Mapping[str, Any]) -> NDArray[np.bool_]:
    bits = np.frombuffer(b64decode(packed["bits"]), np.uint8)
    return Mask(tuple(packed["shape"]), bits).to_bool()
