"""The page of all events, made from their schemas.

    python -m counterproof.provenance.schema_page > docs/events.md

It does not cover what the events mean for one another: `docs/record.md` tells that, written by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from counterproof.provenance.schemas import LINE, event_types, schema_files

_HEAD = """# The events of a record

<!-- Made from the schemas by `python -m counterproof.provenance.schema_page > docs/events.md`; don't edit. -->

Every line of `events.jsonl` is one of these, of the form that `provenance/event_schemas/` (in a bundle:
`verify/schemas/`) describes in JSON Schema 2020-12, one file a type. How the lines hang together is in
[record.md](record.md).
"""


def events_page() -> str:
    """Return the page: what every line has, then each type with its facts and bodies."""
    schemas = {name.removesuffix(".json"): json.loads(data) for name, data in schema_files().items()}
    line = schemas[LINE]
    parts = [_HEAD, "## Every line\n", *_table(line["properties"], line), "", "Each body in `refs` has:\n"]
    parts += [*_table(line["$defs"]["ref"]["properties"], line), ""]
    for type_ in event_types():
        schema = schemas[type_]
        parts += [f"## {type_}\n", schema["description"], ""]
        for way in schema.get("oneOf", [schema]):
            parts += [f"*{way['title'].capitalize()}*\n"] if "oneOf" in schema else []
            parts += [*_facts(way["properties"]["data"], line), *_bodies(way["properties"]["refs"])]
    return "\n".join(parts)


def _facts(data: dict[str, Any], line: dict[str, Any]) -> Iterator[str]:
    yield from _table(_followed(data, line)["properties"], line)
    yield ""


def _table(fields: dict[str, Any], line: dict[str, Any]) -> Iterator[str]:
    yield "| fact | what it is |\n|---|---|"
    for name, field in _deep(fields, line):
        allowed = field.get("enum", [field["const"]] if "const" in field else [])
        values = ", ".join("`" + json.dumps(value).strip('"') + "`" for value in allowed)
        yield f"| `{name}` | {field['description']}{f' {values}.' if values else ''} |"


def _deep(fields: dict[str, Any], line: dict[str, Any], under: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each field, and after it those inside of it."""
    for name, field in fields.items():
        whole = _followed(field, line)
        yield f"{under}{name}", {**whole, **field}
        inside = _followed(whole.get("items", whole), line)
        yield from _deep(inside.get("properties", {}), line, f"{under}{name}.")


def _followed(schema: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = line["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _bodies(refs: dict[str, Any]) -> Iterator[str]:
    each = [*refs.get("prefixItems", []), *([refs["items"]] if refs.get("items") else [])]
    if each:
        yield "| body | side | what it is |\n|---|---|---|"
    for ref in each:
        role, side = ref["properties"]["role"], ref["properties"]["side"]["const"]
        name = role["const"] if "const" in role else f"{role['pattern'].strip('^.')}NAME"
        yield f"| `{name}` | {side} | {ref['description']} |"
    yield from [""] if each else []


if __name__ == "__main__":
    sys.stdout.write(events_page())
