"""The schemas are schemas, there is one for each event that the product writes, and they say what each field is."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.record import Record
from counterproof.provenance.schemas import LINE, check_line, check_lines, event_types, schema_files

ROOT = Path(__file__).parents[2]
SCHEMAS: dict[str, dict[str, Any]] = {name: json.loads(data) for name, data in schema_files().items()}


def _line(tmp_path: Path, **changed: Any) -> bytes:
    """Return the line of a locked plan as the product writes it, with some fields changed."""
    record = Record(tmp_path, blobs=Blobs(tmp_path / "blobs"))
    record.append("plan.locked", data={"checkpoint": "s1.plan.1"}, refs=[record.put("plan", b"{}")])
    return json.dumps({**json.loads(record.path.read_bytes()), **changed}).encode()


def _written(folder: str) -> Iterator[str]:
    """Return the types of the events that the source of a folder appends."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                named = node.func.attr == "note_once" or ast.unparse(node.func).endswith(
                    ("record.append", "self.append")
                )
                if named and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value
                elif named and isinstance(first, ast.Name) and first.id.isupper():
                    yield str(getattr(import_module(f"counterproof.{_module(path)}"), first.id))


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _fields(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each field that a schema describes; what only narrows a field of `line.json` is none."""
    if isinstance(schema, list):
        for at, one in enumerate(schema):
            yield from _fields(one, f"{place}/{at}")
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and "additionalProperties" in schema:
            yield from ((f"{place}/{name}", field) for name, field in schema.get("properties", {}).items())
        for name, one in schema.items():
            yield from _fields(one, f"{place}/{name}")


def test_every_event_that_the_product_writes_has_a_schema_and_no_other_has() -> None:
    folders = ("agents", "provenance", "sandbox", "tools", "scenarios", "ui")
    written = {type_ for folder in folders for type_ in _written(folder)}
    assert sorted(written) == event_types()
    assert {f"{name}.json" for name in (*event_types(), LINE)} == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_is_named_after_its_file(name: str) -> None:
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"https://counterproof.invalid/events/1/{name}"
    assert schema["description"]
    if name != f"{LINE}.json":
        assert f"{schema['title']}.json" == name
        assert schema["properties"]["type"] == {"const": schema["title"]}


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_field_is_described(name: str) -> None:
    fields = list(_fields(SCHEMAS[name], ""))
    assert fields or name == "reviewer.added.json"
    without = [place for place, field in fields if not field.get("description") and "$ref" not in field]
    assert not without


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_object_is_closed(name: str) -> None:
    """An object names its fields, all of them needed but two, or says of what kind its values are."""

    def look(schema: Any) -> None:
        if isinstance(schema, dict):
            if schema.get("type") == "object" and schema is not SCHEMAS["line.json"]["properties"]["data"]:
                values = schema["additionalProperties"]
                assert values is False or isinstance(values, dict)
                if values is False:
                    optional = set(schema["properties"]) - set(schema["required"])
                    assert optional in (set(), {"degraded", "unsafe"})
            schema = list(schema.values())
        for one in schema if isinstance(schema, list) else ():
            look(one)

    look(SCHEMAS[name])


def test_a_line_of_its_form_passes(tmp_path: Path) -> None:
    assert check_line(_line(tmp_path))
    assert check_lines([_line(tmp_path / "a"), _line(tmp_path / "b")]) == "2 events are of their schemas"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"type": "plan.forgotten"}, r"Event 0 is of the type 'plan.forgotten', which is not known.*plan\.locked"),
        ({"type": "line"}, "'line', which is not known"),
        ({"type": "../../etc"}, r"'\.\./\.\./etc', which is not known"),
        ({"type": None}, "'None', which is not known"),
        ({"type": "plan.drafted"}, r"Event 0 \(plan.drafted\) is not of its form at data"),
        ({"v": True}, r"Event 0 \(plan.locked\) is not of its form at v"),
        ({"v": 0}, "is not of its form at v"),
        ({"v": "2"}, "is not of its form at v"),
        ({"data": {"checkpoint": 7}}, "is not of its form at data/checkpoint: 7 is not of type 'string'"),
        ({"data": {}}, "is not of its form at data: 'checkpoint' is a required property"),
        ({"more": 1}, "is not of its form at the line: .*'more' was unexpected"),
        ({"refs": []}, "is not of its form at refs"),
        ({"ts": "yesterday"}, "is not of its form at ts"),
        ({"prev": "0" * 64 + "\n"}, "is not of its form at prev"),
        ({"actor": {"kind": "human", "id": "ada"}}, "is not of its form at actor/"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_another_line_is_refused_and_the_place_named(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(VerificationFailed, match=says):
        check_line(_line(tmp_path, **changed))


def test_a_line_of_a_newer_form_is_left_to_a_newer_version(tmp_path: Path) -> None:
    newer = _line(tmp_path / "a", v=2, type="plan.forgotten")
    assert not check_line(newer)
    found = check_lines([_line(tmp_path / "b"), newer])
    assert found == "1 events are of their schemas; 1 are of a newer form, which was not looked at"


def test_of_alternatives_the_nearest_says_what_is_wrong(tmp_path: Path) -> None:
    data = {"key": "plan/1/1", "kind": "model", "attempt": 1, "source": "live", "host": "h", "path": "/v1"}
    record = Record(tmp_path, blobs=Blobs(tmp_path / "blobs"))
    record.append("effect.started", data=data, refs=[record.put("request", b"{}")])
    with pytest.raises(VerificationFailed, match="is not of its form at data: 'after_kill' is a required property"):
        check_line(record.path.read_bytes())


@pytest.mark.parametrize("line", [b"7", b"null", b"[]", b'"plan.locked"'])
def test_a_line_that_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(VerificationFailed, match="is not known"):
        check_line(line)
