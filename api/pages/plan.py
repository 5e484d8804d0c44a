"""The cost calculator as a form: what is asked stands in the address, the answer below it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from api.access.policies import reads
from api.dependencies import DatabaseDep, SettingsDep
from api.flaws import flaws
from api.pages.forms import length
from api.pages.rendering import render
from api.plans import examples, service
from api.plans.schemas import PlanRequest, WayBody
from core.families import UnknownArchitecture
from core.jobs.datasets import DATASETS
from core.jobs.methods import METHODS
from core.jobs.recipes import PRESETS, Recipe
from core.studies.arms import DENSE
from core.studies.plans import ELTH, WAYS
from core.studies.spec import StudySpec
from core.studies.words import amount

router = APIRouter(include_in_schema=False, dependencies=[reads])

PAGE = "/ui/plan"
_TITLES = {ELTH: "Elastic tickets", DENSE: "Dense, for comparison"}
_DEFAULTS = {
    "targets": "mlp_2 mlp_3 mlp_4",
    "dataset": "digits",
    "level": "10",
    "source": "",
    "sources": "",
    "seeds": "1",
    "devices": "1",
    "multiplier": "5",
    "price": "",
    "currency": "USD",
}
_DURATIONS = ("length", "rewind")
_RECIPE = ("preset", "batch", *_DURATIONS)
"""What of a recipe changes a cost."""
_LISTS = ("targets", "sources")
_OPTIONAL = ("source", "price")


@dataclass(frozen=True)
class Form:
    """What stands in the form's fields, as text."""

    fields: dict[str, str]
    methods: list[str]
    hours: dict[str, str]
    recipe: dict[str, str]

    @classmethod
    def of(cls, query: QueryParams) -> Form:
        """What the address says; where it is silent, the defaults. Names are divided by spaces or commas."""
        fields = {
            name: " ".join(query.getlist(name)).replace(",", " ").strip() if name in query else default
            for name, default in _DEFAULTS.items()
        }
        methods = query.getlist("methods") or list(PlanRequest.model_fields["methods"].default)
        networks = dict.fromkeys(
            name for field in ("targets", "source", "sources") for name in fields[field].split()
        )
        # Hours of a network that is planned no longer are left out: they come from a form that was filled in before.
        hours = {name: query.get(f"hours.{name}", "").strip() for name in networks}
        recipe = {name: query.get(f"recipe.{name}", "").strip() for name in _RECIPE}
        return cls(fields, methods, hours, recipe)

    @property
    def request(self) -> PlanRequest:
        """The request that they make; raises `ValidationError`."""
        body: dict[str, Any] = {
            name: text for name, text in self.fields.items() if text or name not in _OPTIONAL
        }
        body |= {name: self.fields[name].split() for name in _LISTS}
        body |= {"methods": self.methods, "hours": {name: text for name, text in self.hours.items() if text}}
        body["recipe"] = {
            name: length(text) if name in _DURATIONS else text for name, text in self.recipe.items() if text
        }
        return PlanRequest.model_validate(body)

    @property
    def usual(self) -> Recipe | None:
        """The recipe that holds where a field is left empty: the preset's, or else that of the networks' family."""
        if name := self.recipe["preset"]:
            return PRESETS.get(name)
        with suppress(UnknownArchitecture, KeyError):
            for first in self.fields["targets"].split()[:1]:
                return PRESETS.get(StudySpec.network(first, self.fields["dataset"]).family)
        return None


@dataclass(frozen=True)
class Bar:
    """One way in the chart: its share of the longest."""

    name: str
    label: str
    share: float
    best: bool


@router.get(PAGE)
def plan_page(request: Request, database: DatabaseDep, settings: SettingsDep) -> HTMLResponse:
    """The form, and the answer once something is asked."""
    form = Form.of(request.query_params)
    wrong: dict[str, str] = {}
    answer = None
    if "targets" in request.query_params:
        try:
            answer = service.plan(database, settings, form.request)
        except ValidationError as error:
            wrong = _problems(error)
    return render(
        "plan.html",
        form=form.fields,
        methods=[(name, _titled(name), name in form.methods) for name in WAYS],
        unknown=[name for name in form.methods if name not in WAYS],
        hours=form.hours,
        recipe=form.recipe,
        usual=form.usual,
        presets=list(PRESETS),
        wrong=wrong,
        datasets=list(DATASETS),
        answer=answer,
        bars=_bars(answer.plans, answer.cheapest) if answer else [],
        by="hours" if answer and _timed(answer.plans) else "steps",
        paper=paper(),
        number=number,
    )


def paper() -> str:
    """The address of the example of E-LTH's appendix B, with every target's ticket as a source."""
    asked = examples.ASKED
    plain = [(name, str(asked[name])) for name in ("dataset", "level", "devices", "price")]
    return f"{PAGE}?" + urlencode(
        [
            ("targets", " ".join(asked["targets"])),
            *plain,
            *(("methods", name) for name in asked["methods"]),
            *((f"hours.{name}", f"{hours:g}") for name, hours in asked["hours"].items()),
        ]
    )


def number(value: float | None) -> str:
    """An amount, or a dash for what is not known."""
    return "–" if value is None else amount(value)


def _titled(name: str) -> str:
    """A method's title, as far as it is a name."""
    return _TITLES[name] if name in _TITLES else METHODS[name].title.partition(":")[0]


def _problems(error: ValidationError) -> dict[str, str]:
    """What is wrong, by field: `hours` by network too, `recipe` by its fields."""
    found: dict[str, str] = {}
    told = flaws([{**one, "loc": ("body", *one["loc"])} for one in error.errors()])
    for flaw in told:
        field, _, rest = flaw.where.removeprefix("/").partition("/")
        key = f"{field}.{rest}" if field in ("hours", "recipe") and rest else field
        found[key] = "; ".join(filter(None, (found.get(key), flaw.what)))
    return found


def _timed(plans: Sequence[WayBody]) -> bool:
    return all(plan.hours is not None for plan in plans)


def _bars(plans: Sequence[WayBody], cheapest: str | None) -> list[Bar]:
    """By hours; by steps where somebody's hours are not known."""
    timed = _timed(plans)
    amounts = [float(plan.hours or 0) if timed else float(plan.steps) for plan in plans]
    most = max(amounts) or 1.0
    return [
        Bar(plan.name, f"{amount(value)} {'h' if timed else 'steps'}", value / most, plan.name == cheapest)
        for plan, value in zip(plans, amounts, strict=True)
    ]
