"""A finished training as jobs share it: its weights, and everything else as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from numpy.typing import NDArray

from core.training.checkpoint import EpochRecord
from core.training.fingerprint import Fingerprint
from core.training.loop import Trained


@dataclass(frozen=True, kw_only=True)
class SharedTraining(Trained):
    """What a training came to that another job may have done, and the circumstances under which it was done."""

    fingerprint: Fingerprint

    @classmethod
    def of(cls, trained: Trained, fingerprint: Fingerprint) -> Self:
        """A training that was done here."""
        return cls(**vars(trained), fingerprint=fingerprint)

    def about(self) -> dict[str, Any]:
        """All of it but the weights, as a JSON object."""
        told = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "weights"}
        history = [asdict(record) for record in self.history]
        return told | {"history": history, "fingerprint": asdict(self.fingerprint)}

    @classmethod
    def from_parts(cls, about: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> Self:
        """The training of `about`'s object and its weights."""
        history = tuple(EpochRecord(**record) for record in about["history"])
        told = {**about, "history": history, "fingerprint": Fingerprint(**about["fingerprint"])}
        return cls(weights=weights, **told)
