"""The schemas of a record's events: what each type of event holds, checked line by line.

One JSON Schema (2020-12) a type in `event_schemas/`, named after the type, and `line.json` for what every line has.
They say which facts an event has and which bodies it may name, in which role, on which side. Appending an event does
not look at them, so that a study never stops over one: `verify` and the tests do. They are in every bundle, so that a
stranger's validator can hold the record against them without this program.

A line of a newer form (`v`) is left to the program that wrote it; in a line of this form an unknown type is a fault.

It does not cover what one event says of another, nor what is in the bodies: the steps of `verify` do.

Source: JSON Schema 2020-12.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from counterproof.provenance.errors import VerificationFailed

FORM = 1
"""Form of the lines that these schemas describe."""
LINE = "line"
_FOLDER = Path(__file__).parent / "event_schemas"


def schema_files() -> dict[str, bytes]:
    """Return the files of all schemas by their names."""
    return {path.name: path.read_bytes() for path in sorted(_FOLDER.glob("*.json"))}


def event_types() -> list[str]:
    """Return the types of events that there are schemas for, in the order of the alphabet."""
    return [name for name in _schemas() if name != LINE]


def check_line(line: bytes) -> bool:
    """Hold one line of a record against the schema of its type.

    Returns:
        False for a line of a newer form, of which nothing is known here.

    Raises:
        VerificationFailed: it is no event of its type; the text names the place.
    """
    event = json.loads(line)
    type_, seq = (event.get("type"), event.get("seq")) if isinstance(event, dict) else (None, None)
    if isinstance(event, dict) and type(event.get("v")) is int and event["v"] > FORM:
        return False
    if not isinstance(type_, str) or type_ == LINE or type_ not in _schemas():
        raise VerificationFailed(
            f"Event {seq} is of the type {str(type_)[:80]!r}, which is not known.",
            allowed=f"Types of form {FORM}: {', '.join(event_types())}.",
            advice="Verify the record with the version of Counterproof that wrote it.",
        )
    found = next(_validator(type_).iter_errors(event), None)
    if found is not None:
        error = _nearest(found)
        place = "/".join(str(step) for step in error.absolute_path) or "the line"
        raise VerificationFailed(f"Event {seq} ({type_}) is not of its form at {place}: {error.message[:300]}.")
    return True


def check_lines(lines: Iterable[bytes]) -> str:
    """Hold all lines of a record against their schemas, and return what was found.

    Raises:
        VerificationFailed: a line is no event of its type.
    """
    checked = [check_line(line) for line in lines]
    newer = checked.count(False)
    more = f"; {newer} are of a newer form, which was not looked at" if newer else ""
    return f"{len(checked) - newer} events are of their schemas{more}"


def _nearest(error: ValidationError) -> ValidationError:
    """Return what is wrong under the alternative that the event comes nearest to."""
    ways: dict[Any, list[ValidationError]] = {}
    for inside in error.context or ():
        ways.setdefault(inside.relative_schema_path[0], []).append(inside)
    return _nearest(min(ways.values(), key=len)[0]) if ways else error


@cache
def _schemas() -> dict[str, dict[str, Any]]:
    return {name.removesuffix(".json"): json.loads(data) for name, data in schema_files().items()}


@cache
def _validator(type_: str) -> Draft202012Validator:
    resources = [Resource.from_contents(schema) for schema in _schemas().values()]
    registry: Registry[Any] = Registry().with_resources((str(one.id()), one) for one in resources)
    return Draft202012Validator(_schemas()[type_], registry=registry)
