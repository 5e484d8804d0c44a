"""What a job took of the devices, as the API shows it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.jobs import examples
from core.catalog.ledger import JobCost


class AttemptEntry(BaseModel):
    """One try."""

    model_config = ConfigDict(from_attributes=True)

    attempt: int
    device_seconds: float
    outcome: str | None = None
    lost: bool = Field(description="it ended without a result; the next went on from what it had saved")


class RunEntry(BaseModel):
    """One training, over all attempts."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    architecture: str
    dataset: str
    seed: int
    level: int | None = None
    steps: int
    device_seconds: float
    evaluation_seconds: float = Field(description="of these, on the test images")
    shared: bool = Field(description="another job did it: saved, not spent")


class LevelEntry(BaseModel):
    """The trainings of one IMP level, over all seeds."""

    model_config = ConfigDict(from_attributes=True)

    level: int
    device_seconds: float
    saved_seconds: float


class JobLedger(BaseModel):
    """What a job took: its attempts, times the devices that it held."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [examples.LEDGER]})

    job: str
    kind: str
    state: str
    devices: int
    device_seconds: float = Field(description="of all attempts; one under way counts until now")
    lost_seconds: float = Field(description="of these, in attempts that ended without a result")
    training_seconds: float = Field(
        description="of these, in the trainings listed; the rest is the way to a rewind point, reading and writing"
    )
    evaluation_seconds: float = Field(description="of the trainings, on the test images")
    saved_seconds: float = Field(description="not spent: what listed trainings took that another job did")
    attempts: list[AttemptEntry]
    runs: list[RunEntry]
    levels: list[LevelEntry] = Field(description="of a job that prunes by IMP")

    @classmethod
    def of(cls, cost: JobCost) -> JobLedger:
        """A job's cost."""
        return cls.model_validate(cost)
