"""What a study took of the devices, as the API shows it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.studies import examples
from core.catalog.ledger import StudyCost, StudyEntry


class Account(BaseModel):
    """Entries added up."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    jobs: int
    device_seconds: float = Field(description="spent for this study")
    lost_seconds: float = Field(description="of these, in attempts that ended without a result")
    saved_seconds: float = Field(
        description="not spent: what jobs and trainings took that were there already"
    )


class LedgerJob(BaseModel):
    """One job of a study."""

    key: str
    kind: str
    arm: str = Field(description="the row of the table that needs it; `several` where more than one does")
    job: str | None = Field(default=None, description="null where it was not asked for yet")
    reused: bool = Field(description="it was there before this study asked for it")
    device_seconds: float
    lost_seconds: float
    saved_seconds: float

    @classmethod
    def of(cls, entry: StudyEntry) -> LedgerJob:
        """An entry."""
        same = ("key", "kind", "arm", "reused", "device_seconds", "lost_seconds", "saved_seconds")
        return cls(
            job=entry.cost.job if entry.cost else None, **{name: getattr(entry, name) for name in same}
        )


class StudyLedger(BaseModel):
    """What a study took, by arm, by kind and by job."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.LEDGER]})

    total: Account
    arms: list[Account]
    kinds: list[Account]
    jobs: list[LedgerJob]

    @classmethod
    def of(cls, cost: StudyCost) -> StudyLedger:
        """A study's cost."""
        return cls(
            total=Account.model_validate(cost.total),
            arms=[Account.model_validate(account) for account in cost.arms],
            kinds=[Account.model_validate(account) for account in cost.kinds],
            jobs=[LedgerJob.of(entry) for entry in cost.entries],
        )
