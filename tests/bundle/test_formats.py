"""What a bundle tells the programs of others, changed by somebody who makes everything around it fit again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.interop.dsse import key_id, seal
from counterproof.provenance.interop.in_toto import MEDIA, public_pem

from .forging import FORGER, STRANGER, Bag, failed, sign_in_toto

Attack = Callable[[Bag], None]
pytestmark = pytest.mark.tamper
LAYOUT = "data/in-toto/root.layout"
CODE = f"data/in-toto/code.{key_id(FORGER.public_key())[:8]}.link"


def _replace(name: str, old: str, new: str) -> Attack:
    return lambda bag: bag.replace(name, old, new)


def _json(name: str, change: Callable[[Any], Any]) -> Attack:
    return lambda bag: bag.json(name, change)


def _text(name: str, data: bytes) -> Attack:
    def attack(bag: Bag) -> None:
        bag.files[name] = data

    return attack


def _remove(name: str) -> Attack:
    def attack(bag: Bag) -> None:
        del bag.files[name]

    return attack


def _link(change: Callable[[dict[str, Any]], None]) -> Attack:
    """Change what in-toto metadata say, and sign them so that in-toto has no complaint of the signature."""

    def attack(bag: Bag) -> None:
        given = {name[13:]: data for name, data in bag.files.items() if name.startswith("data/in-toto/")}
        bag.files |= {f"data/in-toto/{name}": data for name, data in sign_in_toto(given, FORGER, change).items()}

    return attack


def _other_program(content: dict[str, Any]) -> None:
    for side in ("materials", "products"):
        for name in content.get(side, {}):
            if name == "programs/primary.py":
                content[side][name] = {"sha256": "0" * 64}


def _no_rules(content: dict[str, Any]) -> None:
    for step in content.get("steps", []):
        step["expected_materials"], step["expected_products"] = [], []


def _run_a_command(content: dict[str, Any]) -> None:
    if content["_type"] == "layout":
        content["inspect"] = [
            {"_type": "inspection", "name": "x", "run": ["id"], "expected_materials": [], "expected_products": []}
        ]


def _strangers_signature(bag: Bag) -> None:
    content = base64.b64decode(json.loads(bag.files[CODE])["payload"])
    signed = json.loads(seal(content, media=MEDIA, key=STRANGER))
    signed["signatures"][0]["keyid"] = key_id(FORGER.public_key())
    bag.files[CODE] = json.dumps(signed, indent=1).encode() + b"\n"


def _second_signature(envelope: Any) -> None:
    envelope["signatures"] *= 2


ATTACKS: dict[str, Attack] = {
    "BioCompute Object removed": _remove("data/bco.json"),
    "BioCompute Object: review edited": _replace("data/bco.json", '"rejected"', '"approved"'),
    "BioCompute Object: comment edited": _replace("data/bco.json", "Ada says reject", "Ada says approve"),
    "BioCompute Object: etag edited": _json("data/bco.json", lambda bco: bco | {"etag": "0" * 64}),
    "PROV removed": _remove("data/prov.json"),
    "PROV: agent edited": _replace("data/prov.json", '"prov:label": "Ada"', '"prov:label": "Eve"'),
    "PROV is written otherwise": _json("data/prov.json", lambda _prov: None),
    "PROV is no JSON": _text("data/prov.json", b"{"),
    "workflow edited": _replace("data/workflow.json", "A person decides on the plan.", "Nobody decides on the plan."),
    "workflow removed": _remove("data/workflow.json"),
    "layout removed": _remove(LAYOUT),
    "link removed": _remove(CODE),
    "link added": _text("data/in-toto/more.00000000.link", b"{}"),
    "layout is no JSON": _text(LAYOUT, b"\xff"),
    "layout without end": _text(LAYOUT, b"[" * 100_000),
    "layout without signature": _json(LAYOUT, lambda envelope: envelope | {"signatures": []}),
    "layout signed twice": _json(LAYOUT, _second_signature),
    "layout with more in it": _json(LAYOUT, lambda envelope: envelope | {"note": "x"}),
    "layout without rules": _link(_no_rules),
    "layout runs a command": _link(_run_a_command),
    "link names another program": _link(_other_program),
    "link signed by a stranger": _strangers_signature,
    "public key replaced": _text("data/in-toto/service.pem", public_pem(STRANGER.public_key())),
    "verify.py says always ok": _text("data/verify/verify.py", b"print('OK')\n"),
    "verify.sh says always ok": _text("data/verify/verify.sh", b"echo OK\n"),
    "program added beside verify.py": _text("data/verify/json.py", b"print('OK')\n"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_changed_format_is_caught_when_all_around_it_was_made_to_fit(
    reviewed: Path, tmp_path: Path, name: str
) -> None:
    """The forger's key has signed all of it before, so that only making the file again can tell."""
    bag = Bag(reviewed)
    bag.reseal()
    assert failed(bag.write(tmp_path / "before.zip")) == {}
    ATTACKS[name](bag)
    bag.remake_crate()
    bag.rebag()
    bag.seal_again()
    found = failed(bag.write(tmp_path / "sealed.zip"))
    assert set(found) == {"copies"}
    assert "RO-Crate" not in found["copies"]


def test_a_format_is_named_when_its_bytes_were_hit(reviewed: Path, tmp_path: Path) -> None:
    bag = Bag(reviewed)
    bag.replace("data/prov.json", '"prov:label": "Ada"', '"prov:label": "Eve"')
    found = failed(bag.write(tmp_path / "plain.zip"))
    assert "data/prov.json has been changed" in found["bag"]
    assert "prov.json is not what the record gives" in found["copies"]
