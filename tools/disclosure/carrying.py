"""Carrying outputs to where the data are, and the items back: plain bytes, read by type.

It does not cover the looking (`review`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from counterproof.tools.disclosure.item import Item
from counterproof.tools.disclosure.review import OutputFile, Outputs
from counterproof.tools.library_warnings import LibraryWarning
from counterproof.tools.results import Flow, Result


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    data: bytes
    sha256: str


class _Outputs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    results: list[dict[str, Any]]
    flow: dict[str, Any] | None
    files: list[_File]
    results_sha256: str
    flow_sha256: str
    warnings: dict[str, dict[str, Any]]
    streams: dict[str, str]
    known: str


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    now: _Outputs
    before: dict[str, _Outputs]


def pack_outputs(outputs: Outputs, earlier: Mapping[str, Outputs]) -> bytes:
    """Return what `unpack_outputs` reads."""
    asked = _Asked(now=_packed(outputs), before={name: _packed(old) for name, old in earlier.items()})
    return msgspec.msgpack.encode(asked)


def unpack_outputs(packed: bytes) -> tuple[Outputs, dict[str, Outputs]]:
    """Return the outputs, and what was released before.

    Raises:
        ValueError: the bytes are not of that form.
    """
    asked = msgspec.msgpack.decode(packed, type=_Asked)
    return _unpacked(asked.now), {name: _unpacked(old) for name, old in asked.before.items()}


def pack_items(items: Sequence[Item]) -> bytes:
    """Return what `unpack_items` reads."""
    return msgspec.json.encode([item.model_dump(mode="json") for item in items])


def unpack_items(packed: bytes) -> list[Item]:
    """Return the items.

    Raises:
        ValueError: the bytes are not of that form.
    """
    return [Item.model_validate(raw) for raw in msgspec.json.decode(packed, type=list[dict[str, Any]])]


def _packed(outputs: Outputs) -> _Outputs:
    return _Outputs(
        results=[result.model_dump(mode="json", by_alias=True) for result in outputs.results],
        flow=outputs.flow.model_dump(mode="json", by_alias=True) if outputs.flow else None,
        files=[_File(name=file.name, data=file.data, sha256=file.sha256) for file in outputs.files],
        results_sha256=outputs.results_sha256,
        flow_sha256=outputs.flow_sha256,
        warnings={id_: warning.model_dump(mode="json") for id_, warning in outputs.warnings.items()},
        streams=dict(outputs.streams),
        known=outputs.known,
    )


def _unpacked(packed: _Outputs) -> Outputs:
    return Outputs(
        results=[Result.model_validate(raw) for raw in packed.results],
        flow=Flow.model_validate(packed.flow) if packed.flow else None,
        files=[OutputFile(name=file.name, data=file.data, sha256=file.sha256) for file in packed.files],
        results_sha256=packed.results_sha256,
        flow_sha256=packed.flow_sha256,
        warnings={id_: LibraryWarning.model_validate(raw) for id_, raw in packed.warnings.items()},
        streams=packed.streams,
        known=packed.known,
    )
