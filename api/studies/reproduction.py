"""A study that was imported, beside its archive, as the API shows it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from core.studies.reproduction import Reproduction, in_words

EXAMPLE: dict[str, Any] = {
    "said": "tickets: 2 same; trained weights: 1 same; accuracies: 1 same; under the same fingerprint",
    "complete": True,
    "tickets": {"same": 2, "different": 0, "to_come": 0},
    "weights": {"same": 1, "different": 0, "to_come": 0},
    "accuracies": {"same": 1, "different": 0, "to_come": 0},
    "different": [],
    "same_fingerprint": True,
    "circumstances": [],
}


class TallyBody(BaseModel):
    """How many are the same, how many differ, how many are still to come."""

    model_config = ConfigDict(from_attributes=True)

    same: int
    different: int
    to_come: int


class Deviation(BaseModel):
    """One thing that is not as in the archive; null: there is none."""

    model_config = ConfigDict(from_attributes=True)

    key: str = Field(description="the job's")
    what: str = Field(
        description="tickets, weights or accuracies; or state, of a job that did not succeed here"
    )
    number: int | None = Field(default=None, description="which of the job's, from 0")
    expected: str | float | None
    got: str | float | None


class Circumstance(BaseModel):
    """Something that the fingerprints do not agree in."""

    name: str = Field(
        description="torch, numpy, device, cpu_capability, threads, devices, exact, mode, numerics"
    )
    archive: list[str | int | bool | None]
    here: list[str | int | bool | None]


class ReproductionBody(BaseModel):
    """How far an imported study has come out as its archive says.

    The same digests are promised for exact mode within one fingerprint only.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    said: str = Field(description="in a line")
    complete: bool = Field(description="whether nothing is still to come")
    tickets: TallyBody = Field(description="ids of tickets")
    weights: TallyBody = Field(description="digests of trained weights")
    accuracies: TallyBody
    different: list[Deviation]
    same_fingerprint: bool | None = Field(description="null as long as there is none to compare")
    circumstances: list[Circumstance]

    @classmethod
    def of(cls, found: Reproduction) -> ReproductionBody:
        """A comparison."""
        return cls(
            said=in_words(found),
            complete=found.complete,
            **{what: TallyBody.model_validate(tally) for what, tally in found.tallies.items()},
            different=[Deviation.model_validate(one) for one in found.different],
            same_fingerprint=found.same_circumstances,
            circumstances=[
                Circumstance(name=name, archive=there, here=here)
                for name, (there, here) in found.circumstances.items()
            ],
        )
