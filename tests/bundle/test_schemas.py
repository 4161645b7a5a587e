"""A stranger's validator holds the record of a bundle against the schemas that it finds there, and refuses any change.

`jsonschema` is the stranger: in these tests nothing of Counterproof reads a schema or checks a line. The events are
those of real studies and of a comparison: between them they hold every type of event, in every way in which the product
writes it.
"""

from __future__ import annotations

import copy
import json
import re
import socket
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from counterproof.agents.compare import CampaignRun
from counterproof.agents.compare.running import end_campaign
from counterproof.agents.foreign_answers import note_request
from counterproof.agents.notices import Notices, Notifier, Webhook
from counterproof.agents.reviews import note_refused, say
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import canonical_json, digest_of
from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.events import read_chain
from counterproof.provenance.extensions import Extensions
from counterproof.provenance.journal import Cassette, EffectFailed, Journal, Response
from counterproof.provenance.record import Body, Record
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.store import Status
from counterproof.provenance.study_policy import recorded_policy
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.sandbox.orders import MakingOrder, Order
from counterproof.scenarios.scripted import ModelServer
from counterproof.scenarios.server import TurnServer
from counterproof.tools.looking import Said
from counterproof.tools.rowguard import Hit, RowInRequest
from counterproof.tools.synth.documents import written
from counterproof.ui.common import traced

from ..agents.made_sets import BESIDE, TABLE, make_texts, new_table
from ..agents.set_scenarios import start, turns_of
from ..compare.tiny import make_campaign, plan_small
from ..endpoint import Endpoint
from ..lab import ADA, KEY, PRIMARY, REPLICATION, Lab, planned, script
from .forging import STRANGER, Story, failed

Line = dict[str, Any]
_MAPS = ("limits", "software", "host", "usage", "headers", "verdicts", "rows", "cells")
"""Objects whose names are not for the schema to say: a name may be missing, but not hold a value of another kind."""
_OPTIONAL = ("degraded", "unsafe")
_BECOMES_ANOTHER = [
    f"effect.failed, kind {kind}, request open, status: data/status is missing" for kind in ("execution", "trial")
]
"""What was cut off, without saying how, is what did not begin."""


class Stranger:
    """Validates lines with the schemas of a bundle and `jsonschema` alone."""

    def __init__(self, bundle: Path) -> None:
        with zipfile.ZipFile(bundle) as archive:
            inside = {name.partition("/data/")[2]: archive.read(name) for name in archive.namelist()}
        schemas = [json.loads(data) for name, data in inside.items() if name.startswith("verify/schemas/")]
        resources = [(one["$id"], Resource.from_contents(one)) for one in schemas]
        self.registry: Registry[Any] = Registry().with_resources(resources)
        self.schemas: dict[str, Line] = {one["title"]: one for one in schemas}
        self.lines: list[Line] = [json.loads(line) for line in inside["record/events.jsonl"].splitlines()]
        self.validators = {
            title: Draft202012Validator(one, registry=self.registry) for title, one in self.schemas.items()
        }

    def accepts(self, line: Line) -> bool:
        """Say whether a line is of the schema of its type."""
        return bool(self.validators[line["type"]].is_valid(line))


@pytest.fixture(scope="module")
def stranger(demo: Path) -> Stranger:
    """The stranger, with the schemas of the demo's bundle."""
    return Stranger(demo)


@pytest.fixture(scope="module")
def events(
    demo: Path,
    reviewed: Path,
    tmp_path_factory: pytest.TempPathFactory,
    sandbox: LocalSandbox,
    environment: Environment,
) -> list[Line]:
    """Lines of each type, in each way in which it is written."""
    lab = Lab(home=tmp_path_factory.mktemp("rare") / "home", sandbox=sandbox, environment=environment)
    other = Lab(home=tmp_path_factory.mktemp("sets") / "home", sandbox=sandbox, environment=environment)
    compared = _compared(tmp_path_factory.mktemp("compared"), sandbox)
    return [*Stranger(demo).lines, *Stranger(reviewed).lines, *_rare(lab, reviewed), *compared, *_sets(other)]


def _sets(lab: Lab) -> list[Line]:
    """Return the events of synthetic sets; of one table the first making failed, and a model wrote the other."""
    texts = make_texts(lab, beside=written(BESIDE))
    with TurnServer(turns_of("births")) as server:
        births = start(lab, "births")
        assert lab.run(births, server.base_url, "approve", "withdraw") is Status.WITHDRAWN
    table = new_table(lab, TABLE.model_copy(update={"rules": ("low <= 1",)}))
    assert lab.run(table) is Status.WAITING
    lab.decide(table)
    ctx: Any = lab.runner()._context(lab.study(table))
    subject = lab.study(table).checkpoints.subject(f"{table}.specification.1")
    with suppress(CounterproofError):
        ctx.journal.perform(
            f"make/{digest_of(subject['order'])[:16]}",
            lambda _attempt: ctx.secure.make(MakingOrder.model_validate(subject["order"]), b"{}", effect="another"),
            kind="making",
            request=canonical_json(subject["order"]),
        )
    assert lab.run(table, "http://127.0.0.1:9/v1") is Status.WAITING
    assert lab.run(table, "http://127.0.0.1:9/v1", "withdraw") is Status.WITHDRAWN
    return [
        json.loads(line)
        for study in (texts, births, table)
        for line in lab.study(study).record.path.read_bytes().splitlines()
    ]


def _rare(lab: Lab, reviewed: Path) -> list[Line]:
    """Return the events of a study in which a great deal goes wrong, and those of the registry of reviewers."""
    study = lab.new()
    with suppress(CounterproofError):
        lab.run(study)  # Nobody is at that address.
    with Endpoint(script(planner=[planned()])) as endpoint:
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        lab.decide(study, "edit", edited=json.loads(planned(title="Edited")))
        assert lab.run(study, endpoint.base_url, "approve") is Status.WAITING
        lab.decide(study, "edit", edited={"primary": PRIMARY + "# edited\n", "replication": REPLICATION})
        assert lab.run(study, endpoint.base_url) is Status.WAITING
    ctx: Any = lab.runner()._context(lab.study(study))
    subject = json.loads(lab.text(lab.waiting(study).subject, study))
    order = Order.model_validate(next(one for one in subject["orders"] if not one["synthetic"]))

    def cut_off(_attempt: int) -> Response:
        raise EffectFailed("The execution was cut off.", data={"status": "lost"})

    for effect in (lambda _attempt: ctx.secure.execute(order, b"another program", effect="execute/primary/x"), cut_off):
        with suppress(CounterproofError):
            ctx.journal.perform(
                "execute/primary/x", effect, kind="execution", request=canonical_json(order.model_dump(mode="json"))
            )
    (lab.study(study).folder / "telemetry").write_text("no folder", "utf-8")
    with traced(lab.workplace, study):
        pass
    with ctx.record.path.open("ab") as file:
        file.write(b'{"torn')
    lab.run(study, "http://127.0.0.1:9/v1", "withdraw")
    guarded = _guarded(lab)
    lab.workplace.registry.revoke(ADA, by="the test")
    answered = _from_cassette(reviewed, lab.home.parent / "cassette")
    entry = next(iter(lab.workplace.vault.ledger.entries().values()))
    lab.workplace.vault.ledger.take(entry.sha256, 2.5, use="twin 1")
    lab.workplace.vault.ledger.forgotten(entry.sha256, by="the test", reason="A patient asked for it.")
    ledger = next(path for path in lab.home.rglob("events.jsonl") if b'"data.forgotten"' in path.read_bytes())
    paths = (ctx.record.path, *guarded, lab.home / "registry" / "events.jsonl", ledger, answered)
    lines = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    return [*lines, _after_a_loss_of_power(lab.home.parent / "power")]


def _after_a_loss_of_power(folder: Path) -> Line:
    """Return the event by which a record says that its last events were put back from its log."""
    record = Record(folder, blobs=Blobs(folder / "blobs"))
    record.append("note", data={}, refs=[Body(role="request", data=b"{}")])
    log = folder / "ahead.log"
    name, rest = log.read_bytes().split(b" ", 1)
    log.write_bytes(name + b" another-run-of-the-" + rest)
    record.path.write_bytes(b"")
    assert len(Record(folder, blobs=Blobs(folder / "blobs")).events()) == 2
    return dict(json.loads(record.path.read_bytes().splitlines()[-1]))


def _guarded(lab: Lab) -> list[Path]:
    """Return the records of two studies in which people and the product refuse, ask, tell and extend."""
    lab.workplace.registry.set_policy(
        b"[checkpoints.plan]\nsignatures = 2\n[budgets]\nmodel_calls = 1\n", by="the test"
    )
    study = lab.new()
    with Endpoint(script(planner=[planned()])) as endpoint:
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        here, waiting = lab.study(study), lab.waiting(study)
        with suppress(CounterproofError):
            lab.decide(study, seen="0" * 64)
        note_request(here.record, waiting, {"decisions": [{"type": "approve"}]})
        nobody = Notices(webhook=Webhook(url="http://127.0.0.1:9/hook"))
        Notifier(settings=nobody, secret=lambda _name: "", say=lambda _text: None).tell(here.record, waiting)
        lab.decide(study)
        lab.add("bo", STRANGER)
        here.checkpoints.decide(
            waiting.id,
            KeySigner(key=STRANGER),
            reviewer="bo",
            decision="approve",
            comment="Bo, too.",
            seen=waiting.subject,
        )
        with suppress(CounterproofError):
            lab.run(study, endpoint.base_url)
    rules = recorded_policy(here.record)
    more = Extensions(record=here.record, registry=lab.workplace.registry, study=study, rules=rules)
    more.extend({"model_calls": 5}, KeySigner(key=KEY), reviewer=ADA, comment="The programs are still to be written.")
    refused = RowInRequest([Hit(file="trial.csv", what="row", message=2, words=7)])
    note_refused(here.record, "write/primary/1/1", b"{}", refused)
    rows = "".join(f"person{at}@example.org,{at % 2},{50 + at}.5\n" for at in range(40))
    named = lab.new(content=f"email,arm,score\n{rows}".encode())
    with suppress(CounterproofError):
        lab.run(named)
    found = Said(file="trial.csv", column="email", said="identifier", why="An address.", by=ADA)
    say(lab.study(named), found)
    return [here.record.path, lab.study(named).record.path]


def _compared(folder: Path, sandbox: LocalSandbox) -> list[Line]:
    """Return the events of a comparison, and those of trials that did not begin and that were cut off."""
    with ModelServer() as server:
        small = plan_small(make_campaign(folder, ["good"]), folder / "home", sandbox=sandbox, endpoint=server.base_url)
        small.do("good")
    end_campaign(small.planned, CampaignRun.of_finished(small.place, small.planned.cells))
    cut = Record(folder / "cut" / "record", blobs=Blobs(folder / "cut" / "blobs"))
    for data in ({}, {"status": "lost"}):

        def fail(_attempt: int, data: Line = data) -> Response:
            raise EffectFailed("The trial failed.", data=data)

        with suppress(EffectFailed):
            Journal(cut).perform(f"trial {len(data)}", fail, kind="trial", request=b"{}")
    paths = [*small.place.folder.rglob("events.jsonl"), cut.path]
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def _from_cassette(bundle: Path, folder: Path) -> Path:
    """Let a model call be answered by the record of a bundle, and return the lines that this leaves."""
    blobs = Blobs(folder / "bundle")
    with zipfile.ZipFile(bundle) as archive:
        for name in archive.namelist():
            if "/record/blobs/" in name:
                blobs.put(archive.read(name))
        lines = archive.read(f"{archive.namelist()[0].partition('/')[0]}/data/record/events.jsonl")
    recorded = list(read_chain(lines))
    call = next(one for one in recorded if one.type == "effect.finished" and one.data["kind"] == "model")
    started = next(one for one in recorded if one.type == "effect.started" and one.data["key"] == call.data["key"])

    def never(_attempt: int) -> Response:
        raise AssertionError("a call on the cassette is not made")

    record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
    Journal(record, cassette=Cassette(recorded, blobs)).perform(
        call.data["key"],
        never,
        kind="model",
        request=blobs.get(call.ref("request").sha256),
        data={name: started.data[name] for name in ("host", "path")},
    )
    return record.path


def _way(line: Line) -> str:
    """Return in which way an event of its type was written."""
    data = line["data"]
    roles = sorted({ref["role"].partition(":")[0] + " " + ref["side"] for ref in line["refs"]})
    facts = [
        f"{name} {data[name]}"
        for name in ("kind", "synthetic", "source")
        if line["type"].startswith("effect.") and name in data
    ]
    return ", ".join([line["type"], *facts, *roles, *(["status"] if "status" in data else [])])


def _wrong(value: Any) -> Any:
    """Return a value of another type."""
    return "x" if not isinstance(value, str) else 7


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the place of each value in a line, the line itself first."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from _places(child, (*path, name))


def _at(line: Line, path: tuple[Any, ...]) -> Any:
    found: Any = line
    for name in path:
        found = found[name]
    return found


def _mutations(line: Line) -> Iterator[tuple[str, Line]]:
    """Return a line with one field of the wrong type, one key too many, or one key missing, for each place in it."""
    for path in _places(line):
        value, named = _at(line, path), "/".join(map(str, path))
        if isinstance(value, dict):
            more = copy.deepcopy(line)
            _at(more, path)["strange key"] = []
            yield f"{named} has a key more", more
        if not path or path == ("type",):
            continue
        wrong = copy.deepcopy(line)
        _at(wrong, path[:-1])[path[-1]] = _wrong(value)
        yield f"{named} is of another type", wrong
        inside = _at(line, path[:-1])
        free = path[-1] in _OPTIONAL or (path[-2:-1] and path[-2] in _MAPS)
        if isinstance(inside, dict) and not free:
            less = copy.deepcopy(line)
            del _at(less, path[:-1])[path[-1]]
            yield f"{named} is missing", less
    for at, ref in enumerate(line["refs"]):
        for name, other in (("role", "strange"), ("side", {"open": "secure", "secure": "open"}[ref["side"]])):
            moved = copy.deepcopy(line)
            moved["refs"][at][name] = other
            yield f"refs/{at} has another {name}", moved
    strange = {"role": "strange", "sha256": "0" * 64, "size": 0, "media": "application/json", "side": "open"}
    yield "refs has a body more", {**line, "refs": [*line["refs"], strange]}
    if line["refs"]:
        yield "refs has lost the first body", {**line, "refs": line["refs"][1:]}


@pytest.mark.third_party
def test_a_stranger_accepts_every_line_of_the_demo_offline(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> None:
        raise AssertionError("a validator asked the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert len(stranger.lines) > 30
    assert [line["seq"] for line in stranger.lines if not stranger.accepts(line)] == []


@pytest.mark.third_party
def test_real_records_hold_every_type_of_event_and_each_is_accepted(stranger: Stranger, events: list[Line]) -> None:
    assert {line["type"] for line in events} == set(stranger.validators) - {"One line of a record"}
    assert [(line["seq"], line["type"]) for line in events if not stranger.accepts(line)] == []


@pytest.mark.third_party
def test_each_way_that_a_schema_tells_was_met(stranger: Stranger, events: list[Line]) -> None:
    """An alternative that no event needs would let a forged one pass."""
    for type_, schema in stranger.schemas.items():
        lines = [line for line in events if line["type"] == type_]
        for way in schema.get("oneOf", []):
            only = Draft202012Validator({**schema, "oneOf": [way]}, registry=stranger.registry)
            assert any(only.is_valid(line) for line in lines), f"{type_}: {way['title']}"


@pytest.mark.tamper
@pytest.mark.third_party
def test_each_changed_field_of_each_type_is_refused(stranger: Stranger, events: list[Line]) -> None:
    kept = {_way(line): line for line in events}
    assert len(kept) >= 30
    passed, tried = [], 0
    for way, line in kept.items():
        for what, changed in _mutations(line):
            tried += 1
            if stranger.accepts(changed):
                passed.append(f"{way}: {what}")
    assert passed == _BECOMES_ANOTHER
    assert tried > 1500


ATTACKS: dict[str, tuple[str, Callable[[Line], None]]] = {
    "a fact more": ("gate.opened", lambda line: line["data"].update(note="approved by phone")),
    "a fact less": ("study.created", lambda line: line["data"].pop("software")),
    "a model that is a person": ("effect.finished", lambda line: line.update(actor={"kind": "human", "id": "ada"})),
    "a count as text": ("plan.drafted", lambda line: line["data"].update(round="1")),
    "an event of no type": ("checks.finished", lambda line: line.update(type="checks.waived")),
    "a time in another zone": ("study.ended", lambda line: line.update(ts=line["ts"].replace("+00:00", "-02:00"))),
}


@pytest.mark.tamper
@pytest.mark.parametrize(("type_", "change"), ATTACKS.values(), ids=ATTACKS)
def test_verify_names_the_event_that_is_not_of_its_schema(
    reviewed: Path, tmp_path: Path, type_: str, change: Callable[[Line], None]
) -> None:
    story = Story(reviewed, tmp_path / "story")
    line = story.first(type_)
    seq = story.events.index(line)
    change(line)
    assert re.search(
        rf"Event {seq} .*(is not of its form at|which is not known)", failed(story.export(tmp_path / "x"))["chain"]
    )
