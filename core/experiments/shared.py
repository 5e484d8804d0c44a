"""A finished training as jobs share it: its weights, and everything else as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Self

from numpy.typing import NDArray

from core.training.checkpoint import EpochRecord
from core.training.fingerprint import Fingerprint
from core.training.loop import Trained
from core.training.speed import Speed

_APART = ("weights", "slots")


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
        }

    @classmethod
    def from_parts(cls, about: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> Self:
        """The training of `about`'s object and its weights."""
        return cls(
            weights=weights,
            **{
                **about,
                "history": tuple(EpochRecord(**record) for record in about["history"]),
                "speed": Speed(**about["speed"]),
                "fingerprint": Fingerprint(**about["fingerprint"]),
            },
        )
