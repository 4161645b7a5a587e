"""Alterations of a bundle by somebody with more and more power, and who catches each: `verify`, and whose program else.

`ALTERATIONS` is the table; `docs/bundle.md` prints it (`python -m tests.bundle.tampering`), and `test_tampering` makes
every one of them and asks exactly the programs that are named here. What no program can catch without something that
is known from elsewhere names that anchor.

It does not cover alterations of the zip alone that leave all unpacked files as they are, but for those listed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.bundle import SIGNATURE, SPANS
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.numbers import to_markdown
from counterproof.provenance.signing import DECISION_NAMESPACE, public_line, sign
from counterproof.provenance.transparency.recorded import MADE

from ..lab import KEY
from .forging import STRANGER, Bag, Story
from .test_histories import REVIEWED as HISTORIES

Power = Literal["bytes", "manifests", "chain", "service key", "reviewer's key"]
Anchor = Literal["head", "service key", "reviewers' keys", "file"]
POWERS: dict[Power, str] = {
    "bytes": "changes files, and nothing else",
    "manifests": "also makes the manifests fit",
    "chain": "also makes the whole record and everything that is made from it anew",
    "service key": "also seals it with a key of their own, whose public half they put in",
    "reviewer's key": "also signs the decisions, with a key said to be the reviewer's or with the reviewer's own",
}
ANCHORS: dict[Anchor, str] = {
    "head": "the head of the record, published before: in a registry, in the manuscript, under a time stamp.",
    "service key": "the public key of the installation, or its fingerprint.",
    "reviewers' keys": "the public keys of the reviewers: of their institution, or of a page of theirs.",
    "file": "the SHA-256 of the zip, published before. The unpacked files are as they were.",
}
DEMO, REVIEWED, REPAIRED = "demo", "reviewed", "repaired"


@dataclass(frozen=True, kw_only=True)
class Alteration:
    """One alteration.

    Attributes:
        what: in words.
        power: what its author can do.
        make: changes the files of a bag, or tells the history of a bundle otherwise.
        step: the step of `verify` that fails; "" where none can.
        place: what that step names.
        tools: programs of others that fail, by their names in `outsiders`.
        anchors: what is needed where no program can tell.
        bundle: which bundle is altered.
        zipped: changes the zip itself, after it was written.
    """

    what: str
    power: Power
    make: Callable[[Path, Path], Bag]
    step: str
    place: str
    tools: tuple[str, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    bundle: str = REVIEWED
    zipped: Callable[[Path], None] = lambda _path: None


def table() -> str:
    """Return the table as it stands in the documentation, with what its anchors are."""
    rows = [
        "| alteration | `verify` fails at | other people's programs that catch it | outside anchor |",
        "|---|---|---|---|",
    ]
    for power, words in POWERS.items():
        rows.append(f"| **somebody who {words}** | | | |")
        for one in ALTERATIONS:
            if one.power == power:
                tools, anchors = ", ".join(one.tools) or "none", " or ".join(one.anchors)
                rows.append(f"| {one.what} | {one.step or '**no step**'} | {tools} | {anchors} |")
    known = [f"- **{name}**: {words}" for name, words in ANCHORS.items()]
    return "\n".join([*rows, "", "An outside anchor is what a reader must know from elsewhere:", "", *known, ""])


# --- ways to alter -------------------------------------------------------------------------------------------------


def _files(change: Callable[[Bag], None], after: Callable[[Bag], None] = lambda _bag: None) -> Callable[..., Bag]:
    def make(bundle: Path, _folder: Path) -> Bag:
        bag = Bag(bundle)
        change(bag)
        after(bag)
        return bag

    return make


def _told(change: Callable[[Story], object], after: Callable[[Bag, Bag], None] = lambda _bag, _was: None) -> Any:
    def make(bundle: Path, folder: Path) -> Bag:
        story = Story(bundle, folder)
        change(story)
        bag = Bag(story.export(folder / "told.zip"))
        after(bag, Bag(bundle))
        return bag

    return make


def _keep_service_key(bag: Bag, was: Bag) -> None:
    """Say that the service key is the old one, which the author doesn't have: the seal is by another."""
    bag.files["data/keys/service_signers"] = was.files["data/keys/service_signers"]
    bag.rebag()
    bag.seal_again()


def _flip(name: str) -> Callable[[Bag], None]:
    """Change one byte in the middle of a file, so that text stays text."""

    def change(bag: Bag) -> None:
        (found,) = [file for file in bag.files if file == name or (name[-1] == "*" and file.startswith(name[:-1]))][:1]
        data = bag.files[found]
        at = next(i for i in range(len(data) // 2, len(data)) if chr(data[i]).isalnum())
        bag.files[found] = data[:at] + (b"8" if data[at : at + 1] != b"8" else b"9") + data[at + 1 :]

    return change


def _byte(what: str, name: str, *tools: str, step: str = "bag", place: str = "", bundle: str = REVIEWED) -> Alteration:
    named = place or f"the file {name.rstrip('*')}"
    return Alteration(
        what=f"a byte of {what}",
        power="bytes",
        make=_files(_flip(name)),
        step=step,
        place=named,
        tools=tools or ("sha256sum", "bagit.py"),
        bundle=bundle,
    )


def _drop(name: str) -> Callable[[Bag], None]:
    def change(bag: Bag) -> None:
        del bag.files[name]

    return change


def _put(name: str, data: bytes) -> Callable[[Bag], None]:
    def change(bag: Bag) -> None:
        bag.files[name] = data

    return change


def _replace(name: str, old: str, new: str) -> Callable[[Bag], None]:
    return lambda bag: bag.replace(name, old, new)


def _cut(count: int) -> Callable[[Bag], None]:
    """Leave out the last events and make head and bag-info fit."""

    def change(bag: Bag) -> None:
        lines = bag.files["data/record/events.jsonl"].splitlines(keepends=True)
        was, now = (hashlib.sha256(line.rstrip(b"\n")).hexdigest() for line in (lines[-1], lines[-count - 1]))
        bag.files["data/record/events.jsonl"] = b"".join(lines[:-count])
        bag.json("data/record/head.json", lambda _old: {"events": len(lines) - count, "head": now})
        bag.replace("bag-info.txt", was, now)

    return change


def _swap_lines(bag: Bag) -> None:
    lines = bag.files["data/record/events.jsonl"].splitlines(keepends=True)
    lines[4], lines[5] = lines[5], lines[4]
    bag.files["data/record/events.jsonl"] = b"".join(lines)


def _link(step: str, change: Callable[[Any], None]) -> Callable[[Bag], None]:
    """Change what an in-toto link says, with its signature as it was."""

    def attack(bag: Bag) -> None:
        (name,) = [file for file in bag.files if file.startswith(f"data/in-toto/{step}.")]
        envelope = json.loads(bag.files[name])
        content = json.loads(base64.b64decode(envelope["payload"]))
        change(content)
        envelope["payload"] = base64.b64encode(canonical_json(content)).decode()
        bag.files[name] = json.dumps(envelope).encode()

    return attack


def _stranger_signs(bag: Bag) -> None:
    """Put the forger's key in the reviewer's name."""
    line = bag.files["data/keys/allowed_signers"].split(b" ")[0]
    bag.files["data/keys/allowed_signers"] = line + b" " + public_line(STRANGER.public_key()).encode() + b"\n"


def _other_statement(bag: Bag) -> None:
    data = json.loads(bag.files["data/transparency/statement.json"])
    for item in data["items"]:
        item["status"] = "present"
    bag.files["data/transparency/statement.json"] = json.dumps(data).encode()


def _crate_without_step(bag: Bag) -> None:
    def change(crate: Any) -> None:
        for entity in crate["@graph"]:
            if entity["@id"] == "#step-plan":
                del entity["workExample"]

    bag.json("data/ro-crate-metadata.json", change)


def _review_of_bco(bco: Any) -> None:
    bco["provenance_domain"]["review"][-1]["status"] = "unreviewed"


def _prov_by_another(prov: Any) -> None:
    prov["agent"] = {name.replace("ada", "eve"): value for name, value in prov["agent"].items()}


def _history(name: str) -> Callable[[Story], object]:
    return HISTORIES[name][0]


def _retold(what: str, history: str, step: str, place: str, *tools: str, **given: Any) -> Alteration:
    return Alteration(
        what=what, power="service key", make=_told(_history(history)), step=step, place=place, tools=tools, **given
    )


def _drop_rejected_plan(story: Story) -> None:
    """Leave out the first plan, its checkpoint and the rejection, and number the second as the first."""
    start, end = (story.events.index(story.first("checkpoint.opened", id=f"{story.study}.plan.{at}")) for at in (1, 2))
    kept = [event for event in story.events[start:end] if event["type"].startswith("effect.")]
    story.events[start:end] = kept
    opened = story.first("checkpoint.opened", id=f"{story.study}.plan.2")
    decided = story.first("decision.recorded", checkpoint=f"{story.study}.plan.2")
    locked = story.first("plan.locked")
    opened["data"]["id"] = decided["data"]["checkpoint"] = locked["data"]["checkpoint"] = f"{story.study}.plan.1"


def _drop_failed_call(story: Story) -> None:
    """Leave out the call that failed, and count the second attempt as the first."""
    failed = story.first("effect.failed", key="plan/1/1")
    story.drop(story.first("effect.started", key="plan/1/1"), failed)
    for event in story.events:
        if event["data"].get("key") == "plan/1/1":
            event["data"]["attempt"] = 1


def _drop_failed_run(story: Story) -> None:
    """Leave out the execution that failed on the twin."""
    (key,) = {event["data"]["key"] for event in story.events if event["data"].get("status") == "error"}
    story.drop(*(event for event in story.events if event["data"].get("key") == key))


def _other_answers(story: Story) -> None:
    """Answer otherwise in the last statement, and make the statement and what the sign-off shows of it fit."""
    made = [event for event in story.events if event["type"] == "statement.made"][-1]
    story.put(made, "answers.toml", b'[A4]\nanswer = "Eve did it all."\n')
    story.restate(made)


def _last_decision_back_dated(story: Story) -> None:
    """Only the event says another time: the statement is signed."""
    event = [event for event in story.events if event["type"] == "decision.recorded"][-1]
    event["ts"] = event["ts"].replace("20", "19", 1)


def _approval_of_another_study(bundle: Path, folder: Path) -> Bag:
    """Take the approval of the code from the demo, with its reviewer."""
    demo = bundle.with_name("demo.zip")
    (folder / "other").mkdir()
    (folder / "own").mkdir()
    story, other = Story(bundle, folder / "own"), Story(demo, folder / "other")
    mine = story.first("decision.recorded", checkpoint=f"{story.study}.code.1")
    theirs = other.first("decision.recorded", checkpoint=f"{other.study}.code.1")
    for role in ("statement", "signature"):
        story.put(mine, role, other.text(theirs, role))
    mine["data"]["reviewer"] = theirs["data"]["reviewer"]
    return Bag(story.export(folder / "told.zip"))


def _signed_by_stranger(story: Story) -> None:
    """Let a stranger approve the code in Ada's name; her key stands by the other decisions."""
    event = story.first("decision.recorded", checkpoint=f"{story.study}.code.1")
    story.json(event, "statement", lambda made: made | {"comment": "I checked every line."})
    story.put(event, "signature", sign(STRANGER, story.text(event, "statement"), namespace=DECISION_NAMESPACE))


def _reason(story: Story) -> None:
    [event for event in story.events if event["type"] == "study.ended"][-1]["data"]["reason"] = "It went well."


def _cut_after_rejection(story: Story) -> None:
    """End the study at its first rejection, as if nothing had come after."""
    _cut_after(story, "plan.1", ended="rejected", reason="the plan was rejected", plan="")


def _cut_after_approval(story: Story) -> None:
    """End the study behind the approval of its programs, as if no run had come of it."""
    _cut_after(story, "code.1", ended="cannot_conclude", reason="the environment broke")


def _cut_after(story: Story, checkpoint: str, **end: str) -> None:
    decided = story.first("decision.recorded", checkpoint=f"{story.study}.{checkpoint}")
    last = story.events[-1]
    last["data"] |= {**end, "released": "", "report": ""}
    made = json.loads(json.dumps([event for event in story.events if event["type"] == "statement.made"][-1]))
    made["data"]["checkpoint"] = ""
    story.events = [*story.events[: story.events.index(decided) + 1], made, last]
    story.restate(made)


def _other_results(story: Story) -> None:
    """Between release and sign-off, let the results say something else; the investigator signs what is put up."""
    _let_go(story, Story.json)
    for event in story.events:
        if event["type"] == MADE:
            story.restate(event)
        if event["type"] == "decision.recorded" and event["data"]["kind"] == "signoff":
            story.sign_one(event, KEY, {})


def _other_results_put_up(story: Story) -> None:
    """Put up, release and report other results; everybody signs."""
    _let_go(story, lambda story, event, _role, change: story.release(event, change))
    story.sign_again(KEY)


def _let_go(story: Story, change_released: Callable[[Story, dict[str, Any], str, Callable[[Any], Any]], str]) -> None:
    """Let the results say something else, and the report and the last sign-off with them."""
    release = [event for event in story.events if event["type"] == "results.released"][-1]
    rendered = [event for event in story.events if event["type"] == "report.rendered"][-1]
    up = [event for event in story.events if event["type"] == "checkpoint.opened"][-1]
    end = story.events[-1]["data"]

    def change(released: dict[str, Any]) -> None:
        for result in released["results"]:
            result["value"] = 299.0 if result["id"] == "difference" else result["value"]

    end["released"] = change_released(story, release, "released", change)
    report = json.loads(story.text(rendered, "report"))
    report["released"] = end["released"]
    for section in report["sections"] + report["appendix"]:
        for part in section["parts"]:
            part["text"] = "299" if part.get("ref") == "difference.value" else part["text"]
    end["report"] = story.put(rendered, "report", canonical_json(report))
    markdown = to_markdown(report)
    story.put(rendered, "report.md", markdown.encode())
    shown = {"report": end["report"], "document": report, "markdown": markdown, "released": end["released"]}
    story.show(up["data"]["id"], shown)


def _without_failed_call(key: Ed25519PrivateKey) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        _drop_failed_call(story)
        story.sign_again(key)

    return change


def _a_year_before(story: Story) -> None:
    """Let everything have happened a year before, and sign it again with the reviewer's own key."""
    for event in story.events:
        year = event["ts"][:4]
        event["ts"] = event["ts"].replace(year, str(int(year) - 1), 1)
        if event["type"] == "decision.recorded":
            story.json(event, "statement", partial(dict.update, decided_at=event["ts"]))
    story.sign_again(KEY)


def _slower(bag: Bag) -> None:
    """Let the last span end later."""
    lines = [json.loads(line) for line in bag.files[f"data/{SPANS}"].splitlines()]
    for line in lines:
        for resource in line["resourceSpans"]:
            for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
                span["endTimeUnixNano"] = str(int(span["endTimeUnixNano"]) + 1_000_000_000)
    bag.files[f"data/{SPANS}"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    _remake(bag)


def _no_spans(bag: Bag) -> None:
    del bag.files[f"data/{SPANS}"]
    _remake(bag)


def _remake(bag: Bag) -> None:
    bag.remake()
    bag.reseal()


def _fitted(change: Callable[[Bag], None]) -> Callable[..., Bag]:
    """As `_sealed`, and the RO-Crate is made to fit, too."""

    def after(bag: Bag) -> None:
        bag.remake_crate()
        bag.reseal()

    return _files(change, after)


def _added(name: str, data: bytes) -> Callable[[Bag], None]:
    def change(bag: Bag) -> None:
        bag.files[name] += data

    return change


def _funded(crate: Any) -> None:
    (root,) = [entity for entity in crate["@graph"] if entity["@id"] == "./"]
    root["funder"] = {"@type": "Organization", "name": "Everybody"}


def _sealed(change: Callable[[Bag], None]) -> Callable[..., Bag]:
    """Change files, make all that is made from the record fit, and seal it with the forger's key."""
    return _files(change, lambda bag: bag.reseal())


def _mended(what: str, change: Callable[[Bag], None], step: str, place: str, *tools: str, **given: Any) -> Alteration:
    make = _files(change, lambda bag: bag.rebag())
    return Alteration(what=what, power="manifests", make=make, step=step, place=place, tools=tools, **given)


def _zip(what: str, change: Callable[[Path], None], *tools: str, place: str = "", **given: Any) -> Alteration:
    make = _files(lambda _bag: None)
    return Alteration(
        what=what, power="bytes", make=make, zipped=change, step="container", place=place, tools=tools, **given
    )


def _entries_reversed(path: Path) -> None:
    _repacked(path, zipfile.ZIP_STORED, backwards=True)


def _compressed(path: Path) -> None:
    _repacked(path, zipfile.ZIP_DEFLATED, backwards=False)


def _repacked(path: Path, method: int, *, backwards: bool) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", method) as archive:
        for info, data in reversed(entries) if backwards else entries:
            archive.writestr(info, data, method)


def _longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def _padded(path: Path) -> None:
    path.write_bytes(b"more" + path.read_bytes())


def _content_byte(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b"# Do scores") + 4
    path.write_bytes(data[:at] + b"i" + data[at + 1 :])


_NO_SEAL = "signed with another key"
ALTERATIONS: tuple[Alteration, ...] = (
    # --- somebody who changes files
    _byte("the record", "data/record/events.jsonl"),
    _byte("a body of the record", "data/record/blobs/sha256/*", "sha256sum", "bagit.py", "bodies"),
    _byte("the head of the record", "data/record/head.json"),
    _byte("the list of what is withheld", "data/record/withheld.json"),
    _byte("the report", "data/report.md"),
    _byte("the report for programs", "data/report.json"),
    _byte("the plan", "data/plan.json"),
    _byte("a program", "data/programs/primary.py"),
    _byte("the released results", "data/results/released.json"),
    _byte("the data", "data/inputs/trial.csv"),
    _byte("a signed decision", "data/decisions/1.json", "sha256sum", "bagit.py", "decisions"),
    _byte("a reviewer's signature", "data/decisions/1.json.sig", "sha256sum", "bagit.py", "decisions"),
    _byte("the reviewers' keys", "data/keys/allowed_signers", "sha256sum", "bagit.py", "decisions"),
    _byte("the service key", "data/keys/service_signers", "sha256sum", "bagit.py", "seal"),
    _byte("the transparency statement", "data/transparency/statement.json"),
    _byte("the Word statement", "data/transparency/statement.docx"),
    _byte("the signed statement", "data/transparency/signed.json"),
    _byte("a person's answers", "data/transparency/answers.toml"),
    _byte("the record page", "data/record.html"),
    _byte("the RO-Crate", "data/ro-crate-metadata.json"),
    _byte("an in-toto link", "data/in-toto/execute.*", "sha256sum", "bagit.py", "in-toto-verify"),
    _byte("the in-toto layout", "data/in-toto/root.layout", "sha256sum", "bagit.py", "in-toto-verify"),
    _byte("the BioCompute Object", "data/bco.json"),
    _byte("the PROV document", "data/prov.json"),
    _byte("a program that verifies", "data/verify/verify.py"),
    _byte("the spans", f"data/{SPANS}", bundle=DEMO),
    _byte("a figure", "data/results/figures/*", bundle=DEMO),
    _byte("the bag's description", "bag-info.txt"),
    _byte("the manifest", "manifest-sha256.txt"),
    _byte("the tag manifest", "tagmanifest-sha256.txt", "seal", "sha256sum", place="has been changed"),
    _byte("the seal", SIGNATURE, "seal", step="seal", place="signature"),
    Alteration(
        what="the report removed",
        power="bytes",
        make=_files(_drop("data/report.md")),
        step="bag",
        place="the file data/report.md is missing",
        tools=("sha256sum", "bagit.py"),
    ),
    Alteration(
        what="a file added",
        power="bytes",
        make=_files(_put("data/results/more.csv", b"a,b\n")),
        step="bag",
        place="the file data/results/more.csv is not listed",
        tools=("bagit.py",),
    ),
    Alteration(
        what="a reviewer's signature stripped",
        power="bytes",
        make=_files(_drop("data/decisions/6.json.sig")),
        step="bag",
        place="the file data/decisions/6.json.sig is missing",
        tools=("sha256sum", "bagit.py", "decisions"),
    ),
    Alteration(
        what="the seal stripped",
        power="bytes",
        make=_files(_drop(SIGNATURE)),
        step="bag",
        place=f"the file {SIGNATURE} is missing",
        tools=("seal",),
    ),
    _zip("a byte of a file inside the zip", _content_byte, "unzip"),
    _zip("bytes before the beginning of the zip", _padded, "unzip"),
    _zip("bytes after the end of the zip", _longer, anchors=("file",)),
    _zip("the order of the files in the zip", _entries_reversed, anchors=("file",)),
    _zip("files of the zip compressed", _compressed, anchors=("file",)),
    # --- who also makes the manifests fit
    _mended("a number of the report", _replace("data/report.md", "80", "81"), "copies", "the file report.md", "seal"),
    _mended(
        "the program after its approval",
        _replace("data/programs/primary.py", "len(of)", "len(of) + 1"),
        "copies",
        "the file programs/primary.py",
        "seal",
    ),
    _mended(
        "the reason of a decision",
        _replace("data/decisions/3.json", "Ada says", "Eve says"),
        "decisions",
        "decisions/3.json",
        "seal",
        "decisions",
    ),
    _mended(
        "the reviewers' keys replaced by a stranger's",
        _stranger_signs,
        "decisions",
        "keys/allowed_signers",
        "seal",
        "decisions",
    ),
    _mended(
        "a signature stripped",
        _drop("data/decisions/6.json.sig"),
        "decisions",
        "decisions/6.json.sig is missing",
        "seal",
        "decisions",
    ),
    _mended(
        "missing items of the statement called present",
        _other_statement,
        "copies",
        "transparency/statement.json",
        "seal",
    ),
    _mended(
        "a person's answers", _replace("data/transparency/answers.toml", "Ada", "Eve"), "copies", "answers.toml", "seal"
    ),
    _mended(
        "a result in an in-toto link",
        _link("release", lambda link: link["products"].update({"results/x": {"sha256": "0" * 64}})),
        "copies",
        "in-toto/release.",
        "seal",
        "in-toto-verify",
    ),
    _mended(
        "the review in the BioCompute Object",
        lambda bag: bag.json("data/bco.json", _review_of_bco),
        "copies",
        "bco.json",
        "seal",
    ),
    _mended(
        "who decided, in PROV",
        lambda bag: bag.json("data/prov.json", _prov_by_another),
        "copies",
        "prov.json",
        "seal",
    ),
    _mended(
        "a step of the RO-Crate",
        _crate_without_step,
        "copies",
        "the RO-Crate says otherwise",
        "seal",
        "rocrate-validator",
    ),
    _mended("the spans", _replace(f"data/{SPANS}", "chat", "chap"), "copies", "record.html", "seal", bundle=DEMO),
    _mended("the last three events dropped", _cut(3), "decisions", "0 ends of the study", "seal"),
    _mended("all events after the plan dropped", _cut(20), "decisions", "", "seal", "lines"),
    _mended("two events swapped", _swap_lines, "chain", "Event 4 is out of order", "seal", "lines"),
    _mended("a body of the record", _flip("data/record/blobs/sha256/*"), "bodies", "record/blobs", "seal", "bodies"),
    # --- who also makes the record anew, without the service key
    *(
        Alteration(
            what=what,
            power="chain",
            make=_told(change, _keep_service_key),
            step="seal",
            place=_NO_SEAL,
            tools=("seal", *more),
        )
        for what, change, more in (
            ("the record as it was, sealed by a stranger", lambda _story: None, ()),
            ("a failed model call removed", _drop_failed_call, ("lines",)),
            ("a rejected plan removed", _drop_rejected_plan, ("lines",)),
            ("events reordered", _history("gate before the approval"), ("lines",)),
            ("a released value", _history("released value edited"), ("lines",)),
        )
    ),
    # --- who also replaces the service key
    Alteration(
        what="the report, sealed anew",
        power="service key",
        make=_sealed(_replace("data/report.md", "made up", "complete")),
        step="copies",
        place="the file report.md is not that of the record",
        tools=("bodies",),
    ),
    Alteration(
        what="a failed model call removed",
        power="service key",
        make=_told(_drop_failed_call),
        step="decisions",
        place="the record before it is not the one that ada signed",
        tools=("lines",),
    ),
    Alteration(
        what="a failed execution removed",
        power="service key",
        make=_told(_drop_failed_run),
        step="decisions",
        place="the record before it is not the one that ada signed",
        tools=("lines",),
        bundle=REPAIRED,
    ),
    Alteration(
        what="a rejected plan removed",
        power="service key",
        make=_told(_drop_rejected_plan),
        step="decisions",
        place="was not put up before",
        tools=("lines",),
    ),
    Alteration(
        what="an approval taken from another study",
        power="service key",
        make=_approval_of_another_study,
        step="decisions",
        place="which was not put up before",
        tools=("lines",),
    ),
    Alteration(
        what="the approval of the code signed by a stranger",
        power="service key",
        make=_told(_signed_by_stranger),
        step="decisions",
        place=_NO_SEAL,
        tools=("decisions",),
    ),
    Alteration(
        what="a person's answers and the statement under the sign-off",
        power="service key",
        make=_told(_other_answers),
        step="decisions",
        place="something else than its signed statement",
        tools=("lines",),
    ),
    _retold(
        "the code after its approval",
        "program edited after approval",
        "decisions",
        "shows another primary program than it has run",
        "lines",
        "in-toto-verify",
    ),
    _retold("another program was run", "another order was run", "approvals", "approv", "lines", "in-toto-verify"),
    _retold(
        "a run on real data without its approval", "gate.opened removed", "approvals", "without an approval", "lines"
    ),
    _retold("an approval after the run that it allows", "gate before the approval", "approvals", "approval", "lines"),
    _retold("an execution removed", "replication removed", "approvals", "never ran", "lines"),
    _retold("a released value", "released value edited", "numbers", "", "lines"),
    _retold("words of the report", "words of the report edited", "numbers", "another report", "lines"),
    _retold("the question", "question changed", "decisions", "another question", "lines"),
    _retold("the plan after its approval", "another plan locked", "approvals", "locks another plan", "lines"),
    _retold("a rejection said to be an approval", "rejection said to be an approval", "decisions", "Event", "lines"),
    _retold("a decision back-dated", "decision back-dated", "decisions", "and its statement was signed", "lines"),
    _retold(
        "approvals of two checkpoints swapped",
        "approvals of two checkpoints swapped",
        "decisions",
        "which was not put up before",
        "lines",
    ),
    _retold("a verdict of a check", "verdict of a check changed", "approvals", "other checks", "lines"),
    _retold("a bad answer of the model removed", "first bad answer removed", "effects", "is missing", "lines"),
    _retold(
        "the sign-off cut off",
        "last events cut off, up to the sign-off",
        "decisions",
        "nobody decided it",
        anchors=("head", "service key"),
    ),
    Alteration(
        what="the last decision's event back-dated",
        power="service key",
        make=_told(_last_decision_back_dated),
        step="decisions",
        place="and its statement was signed",
        anchors=("head", "service key"),
    ),
    *(
        _retold(what, history, "decisions", place, anchors=("head", "service key"))
        for what, history, place in (
            ("another report, after the sign-off", "report after the sign-off", "(report.rendered) comes after"),
            ("a rejected report, after the sign-off", "rejected report after the sign-off", "comes after"),
            ("the plan locked anew, after the sign-off", "plan after the sign-off", "(plan.locked) comes after"),
            ("verdicts of the checks, after the sign-off", "verdicts of the checks after the sign-off", "comes after"),
        )
    ),
    Alteration(
        what="words added to README.md",
        power="service key",
        make=_fitted(_added("data/README.md", b"\nApproved by everybody.\n")),
        step="copies",
        place="README.md is not what the record gives",
        anchors=("service key",),
    ),
    Alteration(
        what="a property added to the RO-Crate",
        power="service key",
        make=_sealed(lambda bag: bag.json("data/ro-crate-metadata.json", _funded)),
        step="copies",
        place="the RO-Crate says otherwise of ./",
        anchors=("service key",),
    ),
    Alteration(
        what="a line added to the bag's description",
        power="service key",
        make=_sealed(_replace("bag-info.txt", "reviewed by people", "reviewed by people\n  and by everybody else")),
        step="marks",
        place="bag-info.txt says something else",
        anchors=("service key",),
    ),
    Alteration(
        what="the reason of the end, after the last decision",
        power="service key",
        make=_told(_reason),
        step="",
        place="",
        anchors=("head", "service key"),
    ),
    Alteration(
        what="everything after a rejection dropped, as if the study had ended there",
        power="service key",
        make=_told(_cut_after_rejection),
        step="",
        place="",
        anchors=("head", "service key"),
    ),
    Alteration(
        what="everything after an approval dropped, as if the programs had never run",
        power="service key",
        make=_told(_cut_after_approval),
        step="",
        place="",
        anchors=("head", "service key"),
    ),
    Alteration(
        what="durations in the spans",
        power="service key",
        make=_files(_slower),
        step="",
        place="",
        anchors=("service key",),
        bundle=DEMO,
    ),
    Alteration(
        what="all spans taken out",
        power="service key",
        make=_files(_no_spans),
        step="",
        place="",
        anchors=("service key",),
        bundle=DEMO,
    ),
    # --- who also signs the decisions
    Alteration(
        what="all decisions made anew by a stranger in the reviewer's name",
        power="reviewer's key",
        make=_told(lambda story: story.sign_again(STRANGER, comment="Never read.")),
        step="",
        place="",
        anchors=("reviewers' keys", "head", "service key"),
    ),
    Alteration(
        what="a failed model call removed and all signed again by a stranger in the reviewer's name",
        power="reviewer's key",
        make=_told(_without_failed_call(STRANGER)),
        step="",
        place="",
        anchors=("reviewers' keys", "head", "service key"),
    ),
    Alteration(
        what="released results other than were put up, signed off by the investigator",
        power="reviewer's key",
        make=_told(_other_results),
        step="approvals",
        place="releases something else than was put up",
        anchors=("head", "service key"),
    ),
    Alteration(
        what="released results that the program did not give, put up so and signed by all reviewers",
        power="reviewer's key",
        make=_told(_other_results_put_up),
        step="",
        place="",
        anchors=("head", "service key"),
    ),
    Alteration(
        what="a failed model call removed and all signed again by the reviewer",
        power="reviewer's key",
        make=_told(_without_failed_call(KEY)),
        step="",
        place="",
        anchors=("head", "service key"),
    ),
    Alteration(
        what="all of it back-dated by a year and signed again by the reviewer",
        power="reviewer's key",
        make=_told(_a_year_before),
        step="",
        place="",
        anchors=("head", "service key"),
    ),
)


if __name__ == "__main__":
    print(table(), end="")
