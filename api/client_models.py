"""Writes the Python client's types from the OpenAPI document: `python -m api.client_models`.

What routes answer becomes models, a module per tag, and what they take becomes typed dictionaries. They are written
down rather than imported from the API, whose own models stand on the database.
"""

from __future__ import annotations

import ast
import keyword
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from api.app import create_app
from core.settings import Settings

FOLDER = Path(__file__).parent / "client" / "models"
Schema = dict[str, Any]

_FIRST = ("jobs", "tickets", "studies", "catalogue", "health", "keys")
"""What several tags answer with stands in the module of the first."""
_OF_THE_CLIENT = frozenset({"after", "dry_run"})
"""Parameters that the client's methods set themselves."""
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_TAKEN = frozenset(dir(BaseModel)) | frozenset(keyword.kwlist)


def modules(document: Schema) -> dict[str, str]:
    """The modules' texts by name, formatted."""
    schemas = document["components"]["schemas"]
    writer = _Writer(schemas)
    tags = dict.fromkeys([*_FIRST, *(tag for _, one in _operations(document) for tag in one["tags"])])
    texts, homes = {}, dict[str, str]()
    for tag in tags:
        asked = [one for _, one in _operations(document) if one["tags"][0] == tag]
        found = [key for key in writer.closure(list(_answers(asked))) if writer.name(key) not in homes]
        body = "\n\n".join(writer.answer(key) for key in found)
        texts[tag] = _head(f"What routes of {tag} answer with.", body, homes)
        homes |= dict.fromkeys(map(writer.name, found), tag)
    texts["requests"] = _head("Bodies that routes take.", writer.requests(document), {})
    texts["queries"] = _head("Queries that routes take.", writer.queries(document), homes)
    return {name: _formatted(text) for name, text in texts.items()}


def _operations(document: Schema) -> Iterator[tuple[str, Schema]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _answers(operations: list[Schema]) -> Iterator[Schema]:
    for operation in operations:
        for status, response in operation["responses"].items():
            if status < "400":
                yield response.get("content", {}).get("application/json", {}).get("schema", {})


class _Writer:
    """Schemas as Python."""

    def __init__(self, schemas: Schema) -> None:
        self._schemas = schemas
        names = [self.name(key) for key in schemas]
        assert len(set(names)) == len(names), "two schemas would have one name"

    def name(self, key: str) -> str:
        """A schema's name in the client: `JobBody` is a job."""
        *module, name = key.split("__")
        short = name.removesuffix("Body").lstrip("_")
        return f"{module[-2].title().removesuffix('s')}{short}" if module else short

    def closure(self, given: list[Schema]) -> list[str]:
        """The keys of all schemas that these refer to, after those that they refer to; pages of lists are unpacked."""
        found: dict[str, None] = {}

        def visit(schema: Any) -> None:
            if isinstance(schema, list):
                for one in schema:
                    visit(one)
            elif isinstance(schema, dict):
                if (key := _key(schema)) and key not in found:
                    visit({**self._schemas[key], "examples": None, "example": None})
                    if not key.startswith("Listing_"):
                        found[key] = None
                for one in schema.values():
                    visit(one)

        visit(given)
        return list(found)

    def answer(self, key: str) -> str:
        """A model, or the name of a choice."""
        schema = self._schemas[key]
        if "properties" not in schema:
            return f"{self.name(key)} = {self.type(schema)}"
        lines = [f"class {self.name(key)}(Answer):", *_told(schema.get("description", "An answer."), 1), ""]
        for field, given in schema["properties"].items():
            lines.append(f"    {self._field(field, given, field in schema.get('required', []))}")
            lines += _told(given.get("description", ""), 1)
        return "\n".join(lines)

    def _field(self, name: str, schema: Schema, required: bool) -> str:
        kind = self.type(schema)
        alias = f"{name}_" if name in _TAKEN else None
        default = None if required else repr(schema.get("default"))
        if default == "None" and "None" not in kind:
            kind += " | None"
        if alias or (default and default[0] in "[{"):
            said = ([f"default={default}"] if default else []) + ([f"alias={name!r}"] if alias else [])
            return f"{alias or name}: {kind} = Field({', '.join(said)})"
        return f"{name}: {kind}{f' = {default}' if default else ''}"

    def requests(self, document: Schema) -> str:
        """Typed dictionaries of the JSON bodies, and of what they hold."""
        bodies = [
            one["requestBody"]["content"]["application/json"]["schema"]
            for _, one in _operations(document)
            if "application/json" in one.get("requestBody", {}).get("content", {})
        ]
        return "\n\n".join(self._taken(key) for key in self.closure(bodies))

    def queries(self, document: Schema) -> str:
        """Typed dictionaries of the queries, each named after its operation."""
        written = []
        for _, operation in _operations(document):
            query = {
                one["name"]: one["schema"] | {"description": one.get("description", "")}
                for one in operation.get("parameters", [])
                if one["in"] == "query" and one["name"] not in _OF_THE_CLIENT
            }
            if query and query.keys() != {"format"}:
                name = operation["operationId"].title().replace("_", "") + "Query"
                schema = {"properties": query, "description": f"{operation['summary']}: the query."}
                written.append(self._dictionary(name, schema))
        return "\n\n".join(written)

    def _taken(self, key: str) -> str:
        schema = self._schemas[key]
        if "properties" in schema:
            return self._dictionary(self.name(key), schema)
        return f"{self.name(key)}: TypeAlias = {self.type(schema, taken=True)}"

    def _dictionary(self, name: str, schema: Schema) -> str:
        lines = [
            f"class {name}(TypedDict, total=False):",
            *_told(schema.get("description") or "A request.", 1),
            "",
        ]
        for field, given in schema["properties"].items():
            if field == "kind" and "const" in given:
                continue  # the route says it
            kind = self.type(given, taken=True)
            needed = field in schema.get("required", [])
            lines.append(f"    {field}: {f'Required[{kind}]' if needed else kind}")
            lines += _told(given.get("description", ""), 1)
        return "\n".join(lines)

    def type(self, schema: Schema, *, taken: bool = False) -> str:
        """The type of what a schema describes; what is taken may be any sequence or mapping."""
        if key := _key(schema):
            return self.name(key)
        if "const" in schema or "enum" in schema:
            choices = schema.get("enum") or [schema["const"]]
            return f"Literal[{', '.join(map(repr, choices))}]"
        if any_of := schema.get("anyOf") or schema.get("oneOf"):
            return " | ".join(dict.fromkeys(self.type(one, taken=taken) for one in any_of))
        match schema.get("type"):
            case "array" if "prefixItems" in schema:
                return f"tuple[{', '.join(self.type(one, taken=taken) for one in schema['prefixItems'])}]"
            case "array":
                items = self.type(schema.get("items", {}), taken=taken)
                return f"{'Sequence' if taken else 'list'}[{items}]"
            case "object":
                values = schema.get("additionalProperties")
                inner = self.type(values, taken=taken) if isinstance(values, dict) else "Any"
                return f"{'Mapping' if taken else 'dict'}[str, {inner}]"
            case "string" if schema.get("format") == "date-time":
                return "datetime"
            case kind:
                return _PLAIN.get(str(kind), "Any")


def _key(schema: Schema) -> str | None:
    reference = schema.get("$ref")
    return reference.rsplit("/", 1)[1] if isinstance(reference, str) else None


def _told(text: str, depth: int) -> list[str]:
    """A docstring, from nothing to several lines."""
    if not text:
        return []
    indent = "    " * depth
    text = text.replace("\\", "\\\\")
    if '"""' in text or text.endswith('"'):
        text += " "
    paragraphs = [
        textwrap.fill(
            " ".join(one.split()),
            108,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        for one in text.split("\n\n")
    ]
    whole = "\n\n".join(paragraphs).strip()
    return [f'{indent}"""{whole}{f"{chr(10)}{indent}" if chr(10) in whole else ""}"""']


def _head(about: str, body: str, homes: dict[str, str]) -> str:
    """A module: what it imports is what its body names."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    sources = {
        **dict.fromkeys(("Mapping", "Sequence"), "collections.abc"),
        "datetime": "datetime",
        **dict.fromkeys(("Any", "Literal", "Required", "TypeAlias", "TypedDict"), "typing"),
        "Field": "pydantic",
        "Answer": "api.client.answer",
        **{name: f"api.client.models.{home}" for name, home in homes.items()},
    }
    imports = [f"from {source} import {name}" for name, source in sources.items() if name in used]
    told = f'"""{about} Written by `make client` from the OpenAPI document."""'
    return "\n".join([told, "", "from __future__ import annotations", "", *imports, "", body, ""])


def _formatted(text: str) -> str:
    for command in (("check", "--quiet", "--select", "I", "--fix"), ("format", "--quiet")):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(FOLDER / "module.py"), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> None:
    """Write the modules."""
    with tempfile.TemporaryDirectory() as home:
        document = create_app(Settings(home=Path(home))).openapi()
    for name, text in modules(document).items():
        (FOLDER / f"{name}.py").write_text(text)


if __name__ == "__main__":
    main()
