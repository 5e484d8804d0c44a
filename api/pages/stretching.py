"""The form that stretches or squeezes a ticket: what an address asks for, as a spec, and where it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from api.flaws import flaws
from api.pages.forms import told
from api.problems import Rejected
from core.elastic.refusal import Reason, Refused
from core.jobs.specs import TransformSpec

WORDS = ("weights", "norm", "start", "head", "stem", "dataset")
NUMBERS = ("permute", "noise")

_BY_STAGE = {
    Reason.WRONG_ORDER: "order",
    Reason.NOT_STRETCHED: "replicate",
    Reason.NOTHING_CHOSEN: "replicate",
    Reason.CHOSEN_TWICE: "replicate",
    Reason.CHOSEN_FIXED: "replicate",
    Reason.CHOSEN_ABSENT: "replicate",
}


@dataclass
class Asked:
    """What an address asks for. `errors` are by the name of the field, "" where none is to blame."""

    fields: Mapping[str, str]
    spec: TransformSpec | None = None
    errors: dict[str, list[str]] = field(default_factory=dict)
    flawed: tuple[str, int] | None = None

    def refuse(self, where: str, what: str) -> None:
        """Say what is wrong at a field."""
        self.errors.setdefault(where, []).append(what)


def asked(ticket: str, query: QueryParams, architecture: str) -> Asked:
    """Read an address: blank fields are left out, and an explicit map takes the place of orders and choices."""
    fields = {name: value.strip() for name, value in query.items() if value.strip()}
    fields.setdefault("architecture", architecture)
    found = Asked(fields)
    body: dict[str, Any] = {"tickets": [ticket], "architecture": fields["architecture"]}
    body |= {name: fields[name] for name in WORDS if name in fields}
    for name in NUMBERS:
        if name in fields:
            _number(found, body, name)
    if "via" in fields:
        body["via"] = _hops(fields["via"])
    if "unit_map" in fields:
        body["unit_map"] = fields["unit_map"]
    else:
        orders = _of_stages(fields, "order")
        if orders:
            body["order"] = orders
        elif "order" in fields:
            body["order"] = fields["order"]
        chosen = {
            stage: list(_positions(found, stage, text))
            for stage, text in _of_stages(fields, "replicate").items()
        }
        if chosen:
            body["replicate"] = chosen
    if found.errors:
        return found
    try:
        found.spec = TransformSpec.model_validate(body)
    except ValidationError as error:
        for one in error.errors():
            place = [str(part) for part in one["loc"]]
            where = ".".join(place[:2]) if place[:1] in (["order"], ["replicate"]) else "".join(place[:1])
            flaw = flaws([one | {"loc": ("body", *one["loc"])}])[0]
            found.refuse(_field(where, found), told(flaw.model_dump()))
    return found


def _hops(text: str) -> list[dict[str, str]]:
    """`mlp_3, mlp_4=interpolate`: members to pass through, each with its order where one is named."""
    hops = (part.partition("=") for part in text.replace(",", " ").split())
    return [{"architecture": name} | ({"order": order} if given else {}) for name, given, order in hops]


def _number(found: Asked, body: dict[str, Any], name: str) -> None:
    try:
        body[name] = int(found.fields[name]) if name == "permute" else float(found.fields[name])
    except ValueError:
        found.refuse(name, "not a number")


def _of_stages(fields: Mapping[str, str], what: str) -> dict[str, str]:
    return {
        name.removeprefix(f"{what}."): value for name, value in fields.items() if name.startswith(f"{what}.")
    }


def _positions(found: Asked, stage: str, text: str) -> Iterator[int]:
    for part in text.replace(",", " ").split():
        if part.isascii() and part.isdigit() and len(part) < 10:
            yield int(part)
        else:
            found.refuse(f"replicate.{stage}", f"{part[:20]} is not a position; write numbers, such as 1, 2")
            return


def _field(where: str, found: Asked) -> str:
    """The field that a name of the spec is asked for in; "" where the form has none."""
    if where in found.fields:
        return where
    first = where.partition(".")[0]
    return first if first in found.fields or first in ("architecture", "unit_map", "order") else ""


def refused(found: Asked, error: Refused | Rejected) -> None:
    """Put a refusal at the field that it is about."""
    if isinstance(error, Rejected):
        for flaw in error.document["errors"] or [{"where": "", "what": error.document["detail"]}]:
            where = _field(flaw["where"].strip("/").split("/")[0], found)
            found.refuse(_passed(where, flaw["what"], found), flaw["what"])
        return
    found.refuse(_passed(_refused_at(found, error), str(error), found), str(error))
    if error.stage is not None and error.unit is not None:
        found.flawed = (error.stage, error.unit)


def _passed(where: str, what: str, found: Asked) -> str:
    """A refusal of the way names who is to blame: a member that is passed through, or the target."""
    named = set(re.findall(r"\w+", what))
    passed = {word for hop in _hops(found.fields.get("via", "")) for word in hop.values()}
    own = {value for name, value in found.fields.items() if name != "via"}
    on_the_way = where.partition(".")[0] in ("architecture", "order")
    return "via" if on_the_way and named & passed and not named & own else where


def _refused_at(found: Asked, error: Refused) -> str:
    match error.reason:
        case Reason.STAGES_DIFFER | Reason.FIXED_DIFFER | Reason.NOTHING_TO_REPLICATE:
            return "architecture"
        case Reason.WEIGHTS_MISSING:
            return "permute" if "permute" in found.fields else "start"
        case Reason.UNDRAWABLE:
            drawn = ("weights", "norm", "head", "stem")
            return next((name for name in drawn if name in found.fields), "")
        case reason if reason in _BY_STAGE:
            return _field(f"{_BY_STAGE[reason]}.{error.stage}", found)
        case Reason.SHAPES_DIFFER if "dataset" in found.fields and error.stage is None:
            return "dataset"
    return "unit_map" if "unit_map" in found.fields else "architecture"
