"""The rows of a study's table: how the trained networks of each came about."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.jobs.methods import METHODS, Budget, OneShotParameters
from core.jobs.specs import TransformSpec

ETT, IMP, DENSE = "ett", "imp", "dense"

STRETCHING = TransformSpec.model_fields.keys() - {"kind", "tickets", "architecture", "dataset", "fresh"}
"""What an arm of stretched tickets may say of the transformation; the study says the rest."""

IMP_NAME = "IMP"
"""Stands in the keys of the jobs that find IMP's tickets, whichever arms there are."""


class Arm(BaseModel):
    """A method that competes: the stretched ticket, IMP's own, the dense network, or any method of /methods.

    One that has a budget, and is given none here, keeps exactly as many weights as the stretched ticket of its seed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=64, description="the row's name")
    method: str = Field(description=f"{ETT}, {DENSE}, or a method as /methods lists them")
    parameters: dict[str, Any] = Field(
        default={}, description=f"the method's parameters; of {ETT}, those of /transform"
    )

    @field_validator("name")
    @classmethod
    def _name_is_no_other_job_s(cls, name: str) -> str:
        # Names become parts of the keys of jobs, beside "/" and "from SOURCE".
        if "/" in name or "from" in name.split():
            raise ValueError("a name without / and without the word from is accepted")
        return name

    @model_validator(mode="after")
    def _parameters_are_the_methods(self) -> Self:
        if self.name == IMP_NAME and self.method != IMP:
            raise ValueError(f"an arm called {IMP_NAME} is of the method {IMP}; choose another name")
        if self.method == ETT:
            if unknown := self.parameters.keys() - STRETCHING:
                raise ValueError(
                    f"{ETT} takes no {', '.join(sorted(unknown))}; accepted: {', '.join(sorted(STRETCHING))}"
                )
            TransformSpec.model_validate({**self.parameters, "tickets": ["0" * 64], "architecture": "any"})
        elif self.method in (IMP, DENSE):
            if self.parameters:
                raise ValueError(f"{self.method} takes no parameters: the study states its levels")
        elif self.method not in METHODS:
            raise ValueError(
                f"unknown method {self.method!r}; accepted: {ETT}, {DENSE}, {', '.join(METHODS)}"
            )
        else:
            budget = {"survivors": 1} if self.follows else {}
            METHODS[self.method].parameters.model_validate(self.given | budget)
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The parameters, with the name of the method where several share theirs."""
        named = {"method": self.method} if self.dynamic else {}
        return named | self.parameters

    @property
    def dynamic(self) -> bool:
        """Whether the mask changes in training, so that there is no ticket to find."""
        return self.method in METHODS and METHODS[self.method].request == "train"

    @property
    def follows(self) -> bool:
        """Whether it keeps as many weights as the stretched ticket."""
        if self.method not in METHODS:
            return False
        taken = METHODS[self.method].parameters
        stated = {"survivors", "sparsity"} & self.parameters.keys()
        if issubclass(taken, OneShotParameters):
            stated |= {"pattern"} if ":" in str(self.parameters.get("pattern", "")) else set()
        return issubclass(taken, Budget) and not stated


RIVALS: tuple[Arm, ...] = (
    Arm(name="ETT", method=ETT),
    Arm(name="IMP", method=IMP),
    Arm(name="magnitude at initialisation", method="one_shot_magnitude"),
    Arm(name="SNIP", method="snip"),
    Arm(name="FORCE", method="force"),
    Arm(name="GraSP", method="grasp"),
    Arm(name="SynFlow", method="synflow"),
    Arm(name="random", method="random"),
    Arm(name="random, ERK", method="random", parameters={"scope": "erk"}),
    Arm(name="static", method="static"),
    Arm(name="SET", method="set"),
    Arm(name="RigL", method="rigl"),
    Arm(name="RigL, 5 ×", method="rigl", parameters={"multiplier": 5}),
    Arm(name="dense", method=DENSE),
)
"""Everything that can keep as many weights as it is told, and the dense network."""
