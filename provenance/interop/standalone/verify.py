"""Verifies an unpacked Counterproof bundle with nothing but Python >= 3.8 (and `ssh-keygen` for signatures).

    python3 -I verify.py [FOLDER]      FOLDER is the unpacked bundle; without it, the one that this file lies in

The steps have the numbers and names of `counterproof verify`. Each of them passes, fails with the place, does not
apply, or cannot be checked here; a step that finds nothing to look at where there must be something fails. Exit code 0
when no step failed, else 1.

This copy came with the bundle, so whoever could change the bundle could change this file: take it from an installation
of Counterproof (`provenance/interop/standalone/verify.py`) when the bundle comes from somebody whom you don't trust.

It does not cover: the zip file itself (step 1), the schemas of the events (a part of step 4; with `verify/schemas/` any
validator of JSON Schema does), making the record page, the transparency statement, the RO-Crate and the formats of
others again (a part of step 11): `counterproof verify` does. Nor that a key belongs to a person, nor
that who holds the service key did not make the whole bundle anew: compare the head that step 4 prints with a published
one.

Source: RFC 8493 (BagIt), RFC 6962 (Merkle tree), OpenSSH PROTOCOL.sshsig; `provenance/verify/` of Counterproof, written
again without it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from decimal import Decimal
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

Event = Dict[str, Any]
CHUNK = 1 << 20
FIRST = "0" * 64
WHY = "computed from real data, not released"
REDACTED = "redacted"
VERSION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
TAGS = {"bagit.txt", "bag-info.txt", "manifest-sha256.txt"}
UNLISTED = {"tagmanifest-sha256.txt", "signatures/tagmanifest-sha256.txt.sig"}
STAMP, AUTHORITY = "signatures/tagmanifest-sha256.txt.tsr", "signatures/tsa-ca.pem"
ENDED_WITH = {
    "analysis": (
        ("plan", "plan.locked", "plan"),
        ("released", "results.released", "released"),
        ("report", "report.rendered", "report"),
    ),
    "synthesis": (("released", "set.released", "released"),),
}
KINDS = {"analysis": ("plan", "code", "release", "signoff"), "synthesis": ("specification", "sample", "release")}
CHANGES_NOTHING = ("study.stopped", "record.repaired", "record.restored", "decision.refused")
SIGNED = (*CHANGES_NOTHING, "gate.refused", "notice.given", "tracing.degraded", "set.released")
INFO = {
    "Bag-Software-Agent",
    "Bagging-Date",
    "Counterproof-Kind",
    "Counterproof-Profile",
    "Counterproof-Record-Head",
    "Counterproof-Review",
    "Counterproof-Time-Stamp",
    "External-Identifier",
    "Payload-Oxum",
}
MARK, CARD_COLUMN = "synthetic_twin", "synthetic_card"
NAME = re.compile(r"(?<![\w.,%+-])[A-Za-z][A-Za-z0-9]*[0-9][A-Za-z0-9]*(?![\w%]|[.,+-]\w)")
SINGLE_USER_NOTICE = "Single-user mode: one person made this study and decides everything in it."
KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]{1,200}")
ARMOUR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)-----END SSH SIGNATURE-----\n")
HARDWARE_KEY = re.compile(r"sk-ssh-ed25519@openssh\.com [A-Za-z0-9+/=]{1,400}")


class Failed(Exception):
    """A check does not hold; the text names the place."""


class NotApplicable(Exception):
    """A study that ended early has nothing for this step; the text says why."""


class NotHere(Exception):
    """This machine or this program can't check it; the text says why."""


class Bundle:
    """The unpacked bundle; names of files are those of the payload, without `data/`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.study = os.path.basename(os.path.realpath(folder))
        self.events: List[Event] = []
        self.digests: List[str] = []

    def read(self, name: str) -> bytes:
        """Return a file of the bag; a link or a device is never followed or opened."""
        path = os.path.join(self.folder, name)
        if os.path.islink(path) or not os.path.isfile(path):
            raise Failed("the file %s is missing" % name)
        with open(path, "rb") as file:
            return file.read()

    def info(self, row: str) -> List[str]:
        """Return the values that bag-info.txt has for a row; none where there is no such file, which step 2 says."""
        if not self.digest("bag-info.txt"):
            return []
        lines = self.read("bag-info.txt").decode("utf-8", "replace").split("\n")
        return [line[len(row) + 2 :] for line in lines if line.startswith(row + ":")]

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file of the bag, "" where there is none."""
        path = os.path.join(self.folder, name)
        if os.path.islink(path) or not os.path.isfile(path):
            return ""
        made = hashlib.sha256()
        with open(path, "rb") as file:
            for part in iter(lambda: file.read(CHUNK), b""):
                made.update(part)
        return made.hexdigest()

    def body(self, digest: str) -> bytes:
        """Return a body of the record, its digest checked."""
        data = self.read("data/" + blob(digest))
        if sha256(data) != digest:
            raise Failed("the file data/%s has been changed" % blob(digest))
        return data

    def document(self, digest: str) -> Any:
        """Return a JSON body of the record."""
        return json.loads(self.body(digest))

    def of_type(self, *types: str) -> List[Event]:
        """Return the events of some types."""
        return [event for event in self.events if event["type"] in types]

    def purpose(self) -> str:
        """Return what the study is for, as the record says it."""
        return "synthesis" if self.events[0]["data"].get("purpose") == "synthesis" else "analysis"

    def approvals(self) -> Dict[str, Event]:
        """Return the decision of each checkpoint that was approved."""
        decided = self.of_type("decision.recorded")
        return {event["data"]["checkpoint"]: event for event in decided if event["data"]["decision"] == "approve"}


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pretty(value: Any) -> bytes:
    """Return JSON as it is laid into a bundle for people to read."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()


def digest_of(value: Any) -> str:
    """Return the digest of the canonical JSON of a value."""
    return sha256(canonical(value))


def blob(digest: str) -> str:
    """Return where a body is in the payload."""
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise Failed("%r is no digest" % digest[:80])
    return "record/blobs/sha256/%s/%s" % (digest[:2], digest[2:])


def ref(event: Event, role: str) -> str:
    """Return the digest of the first body that an event has in a role."""
    for one in event["refs"]:
        if one["role"] == role:
            return str(one["sha256"])
    raise Failed("event %s has no %s" % (event["seq"], role))


def outputs(event: Event) -> Dict[str, str]:
    """Return the output files of an event by their names."""
    return {one["role"][7:]: one["sha256"] for one in event["refs"] if one["role"].startswith("output:")}


def fail_if(faults: List[str]) -> None:
    """Raise what was found, if anything was."""
    if faults:
        more = " (and %d more)" % (len(faults) - 5) if len(faults) > 5 else ""
        raise Failed("; ".join(faults[:5]) + more)


# --- 1 to 3: the bag -----------------------------------------------------------------------------------------------


def container(bundle: Bundle) -> str:
    """1: the zip is canonical."""
    raise NotHere("the bundle is unpacked; `counterproof verify FILE.zip` looks at the zip")


def bag(bundle: Bundle) -> str:
    """2: every file is listed with its digest, and nothing is missing or too many."""
    payload, tags = manifest(bundle, "manifest-sha256.txt"), manifest(bundle, "tagmanifest-sha256.txt")
    present, faults = walk(bundle.folder)
    faults += ["the file %s is listed and no part of the payload" % name for name in payload if name[:5] != "data/"]
    stamped = bundle.info("Counterproof-Time-Stamp") == [STAMP]
    wanted = TAGS | ({AUTHORITY} & set(tags) if stamped else set())
    faults += ["the tag files that are listed are not %s" % ", ".join(sorted(wanted))] if set(tags) != wanted else []
    listed = set(payload) | wanted | UNLISTED | ({STAMP} if stamped else set())
    faults += ["the file %s is missing" % name for name in sorted(listed - present)]
    faults += ["the file %s is not listed" % name for name in sorted(present - listed)]
    for name, digest in list(payload.items()) + list(tags.items()):
        if name in present and bundle.digest(name) != digest:
            faults.append("the file %s has been changed" % name)
    fail_if(faults)
    if not payload:
        raise Failed("the payload is empty")
    if bundle.read("bagit.txt").decode() != VERSION:
        raise Failed("the file bagit.txt does not declare a bag of version 1.0 in UTF-8")
    return "%d files of the payload, %d tag files" % (len(payload), len(tags))


def manifest(bundle: Bundle, name: str) -> Dict[str, str]:
    """Return the digests that a manifest lists."""
    rows: Dict[str, str] = {}
    for line in bundle.read(name).decode("utf-8").splitlines():
        digest, _, file = line.partition(" ")
        file = file.lstrip(" ")
        if file in rows or not re.fullmatch("[0-9a-f]{64}", digest):
            raise Failed("%s lists %r twice, or without a digest" % (name, file))
        rows[file] = digest
    return rows


def walk(folder: str) -> Tuple[Set[str], List[str]]:
    """Return the files below a folder, and what is neither a file nor a folder."""
    present, faults = set(), []
    for at, folders, files in os.walk(folder):
        for name in files + folders:
            path = os.path.join(at, name)
            inside = os.path.relpath(path, folder).replace(os.sep, "/")
            if os.path.islink(path) or not (os.path.isfile(path) or os.path.isdir(path)):
                faults.append("%s is a link or no plain file" % inside)
            elif os.path.isfile(path):
                present.add(inside)
    return present, faults


def seal(bundle: Bundle) -> str:
    """3: the service key signed the tag manifest."""
    key = service_key(bundle)
    signature = bundle.read("signatures/tagmanifest-sha256.txt.sig")
    check_signature(key, bundle.read("tagmanifest-sha256.txt"), signature, "counterproof-bundle")
    found = "signed by the service key %s" % key.split()[1][-12:]
    if bundle.info("Counterproof-Time-Stamp"):
        bundle.read(STAMP)
        command = "openssl ts -verify -data tagmanifest-sha256.txt -in %s -CAfile CA" % STAMP
        raise NotHere(
            "%s; the time stamp is checked by `%s`, with a CA that you know from elsewhere" % (found, command)
        )
    return found


def service_key(bundle: Bundle) -> str:
    """Return the public service key."""
    line = bundle.read("data/keys/service_signers").decode()
    key = line[len("service ") :].rstrip("\n")
    if line != "service %s\n" % key:
        raise Failed("the file keys/service_signers is not one line of the service key")
    return key


def check_decision_signature(key: str, data: bytes, signature: bytes) -> None:
    """Check a reviewer's signature; OpenSSH does not ask whether somebody touched a hardware key: read it here."""
    check_signature(key, data, signature, "counterproof-decision", (KEY, HARDWARE_KEY))
    if HARDWARE_KEY.fullmatch(key):
        if not ssh_strings(base64.b64decode(key.split()[1]))[2].startswith(b"ssh:"):
            raise Failed("the hardware key was not made for SSH")
        armour = ARMOUR.fullmatch(signature)
        if armour is None:
            raise Failed("the signature is not in the canonical armour")
        blob = base64.b64decode(armour.group(1).replace(b"\n", b""), validate=True)
        signed = ssh_strings(blob[len(b"SSHSIG") + 4 :], 5)[4]
        kind, raw = ssh_strings(signed, 2)
        if not signed[8 + len(kind) + len(raw)] & 1:
            raise Failed("nobody touched the hardware key")


def ssh_strings(data: bytes, number: int = 3) -> List[bytes]:
    """Return the first strings of SSH's binary form."""
    found = []
    for _ in range(number):
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(data[4:end])
        data = data[end:]
    return found


def check_signature(
    key: str, data: bytes, signature: bytes, namespace: str, kinds: Tuple["re.Pattern[str]", ...] = (KEY,)
) -> None:
    """Check an SSH signature with OpenSSH's own program."""
    if not any(kind.fullmatch(key) for kind in kinds):
        raise Failed("%r is no Ed25519 SSH public key" % key[:80])
    program = shutil.which("ssh-keygen")
    if program is None:
        raise NotHere("ssh-keygen (OpenSSH 8.1 or newer) is not on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        signers, signed = os.path.join(folder, "signers"), os.path.join(folder, "sig")
        with open(signers, "w") as file:
            file.write("signer %s\n" % key)
        with open(signed, "wb") as made:
            made.write(signature)
        command = [program, "-Y", "verify", "-f", signers, "-I", "signer", "-n", namespace, "-s", signed]
        told = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    if told.returncode != 0:
        raise Failed("the signature does not hold: %s" % told.stdout.decode("utf-8", "replace").strip()[:200])


# --- 4, 5 and 8: the record ----------------------------------------------------------------------------------------


def chain(bundle: Bundle) -> str:
    """4: each event carries the hash of the one before; head and record checkpoints are those of this record."""
    lines = bundle.read("data/record/events.jsonl").split(b"\n")
    if lines.pop() != b"":
        raise Failed("event %d is torn: its line has no end" % len(lines))
    prev, events, digests, tree, roots = FIRST, [], [], Tree(), []
    for seq, line in enumerate(lines):
        event = json.loads(line)
        if event["seq"] != seq or event["prev"] != prev:
            raise Failed("event %d does not follow the one before it: the chain is broken here" % seq)
        prev = sha256(line)
        tree.add(leaf_hash(line))
        events.append(event)
        digests.append(prev)
        roots.append(tree.root() if is_due(event) else "")
    if not events or [event["seq"] for event in events if event["type"] == "study.created"] != [0]:
        raise Failed("the record does not begin with one study")
    head = {"events": len(events), "head": prev, "merkle_root": tree.root()}
    if bundle.read("data/record/head.json") != pretty(head):
        raise Failed("event %d is not the last: the record was cut, or its head was changed" % (len(events) - 1))
    info = bundle.read("bag-info.txt").decode().splitlines()
    study = events[0]["data"]["study"]
    for row in ("Counterproof-Record-Head: %s" % prev, "External-Identifier: %s" % study):
        if [line for line in info if line.startswith(row.split(" ")[0])] != [row]:
            raise Failed("the file bag-info.txt does not say %r" % row)
    bundle.events, bundle.digests, bundle.study = events, digests, study
    return "%d events, head %s; %s" % (len(events), prev, record_checkpoints(bundle, roots))


def record_checkpoints(bundle: Bundle, roots: List[str]) -> str:
    """A part of 4: the service key signed the heads and Merkle roots, after each event where that is due."""
    due = [seq + 1 for seq, root in enumerate(roots) if root]
    lines = bundle.read("data/record/checkpoints.jsonl").split(b"\n")
    unsigned = ""
    if len(lines) != len(due) + 1 or lines[-1] != b"":
        raise Failed("%d record checkpoints are due, and the file holds %d" % (len(due), len(lines) - 1))
    for at, size in enumerate(due):
        line = lines[at]
        made = json.loads(line)
        statement = line.partition(b',"statement":')[2][:-1]
        wanted = {"version": 1, "study": bundle.study, "events": size, "merkle_root": roots[size - 1]}
        wanted.update(head=bundle.digests[size - 1], time=made["statement"]["time"])
        if set(made) != {"signature", "statement"} or canonical(made["statement"]) != statement:
            raise Failed("the record checkpoint over %d events is not written in the one form" % size)
        if made["statement"] != wanted:
            raise Failed("event %d: the record is not the one of its record checkpoint" % (size - 1))
        try:
            check_signature(service_key(bundle), statement, made["signature"].encode(), "counterproof-record")
        except NotHere as reason:
            unsigned = ", their signatures not checked here: %s" % reason
    return "%d record checkpoints%s" % (len(due), unsigned)


def is_due(event: Event) -> bool:
    """Say whether a record checkpoint follows on an event."""
    return event["type"] in ("study.created", "decision.recorded", "study.ended") or (event["seq"] + 1) % 1000 == 0


class Tree:
    """The Merkle tree over the lines of the record, as in RFC 6962: the hashes of its full subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: List[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add the hash of a line."""
        node, size = leaf, self.size
        while size & 1:
            node = hashlib.sha256(b"\x01" + self.peaks.pop() + node).digest()
            size >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> str:
        """Return the hash that stands for all lines."""
        node = self.peaks[-1] if self.peaks else hashlib.sha256(b"").digest()
        for peak in reversed(self.peaks[:-1]):
            node = hashlib.sha256(b"\x01" + peak + node).digest()
        return node.hex()


def bodies(bundle: Bundle) -> str:
    """5: every body that an event names is there with its digest, or is listed as withheld and may be."""
    profile = bundle.info("Counterproof-Profile")
    if profile not in (["full"], ["redacted"]):
        raise Failed("the bag names the profile %r, which is `full` or `redacted`" % profile)
    redacted = profile == ["redacted"]
    refs = [(event, one) for event in bundle.events for one in event["refs"]]
    opened = {one["sha256"] for _, one in refs if one["side"] == "open"}
    leaving = {one["sha256"] for event, one in refs if one["side"] == "open" and not (redacted and told(event, one))}
    staying = {one["sha256"]: (event, one) for event, one in refs if one["sha256"] not in leaving}
    withheld = []
    for event, one in staying.values():
        row = {name: one[name] for name in ("sha256", "size", "role")}
        row["why"] = REDACTED if one["sha256"] in opened else WHY
        withheld.append({**row, "event": event["seq"]} if redacted else row)
    created = bundle.events[0]["data"]
    if redacted and created["share_data"]:
        for file in created["data"]:
            facts = {"role": "input:" + file["name"], "why": REDACTED, "event": 0}
            withheld.append({"sha256": file["sha256"], "size": file["size"], **facts})
    rows = json.loads(bundle.read("data/record/withheld.json"))
    bare = [{name: value for name, value in row.items() if name != "proof" or not redacted} for row in rows]
    wanted = sorted(withheld, key=lambda row: (row["sha256"], row["role"]))
    if bare != wanted or bundle.read("data/record/withheld.json") != pretty(rows):
        raise Failed("the file record/withheld.json does not list just the bodies that may be withheld")
    faults = check_proofs(bundle, rows) if redacted else []
    for event, one in refs:
        if one["sha256"] in staying and one["sha256"] not in opened and not may_hide(bundle, event, one):
            faults.append("event %d hides its %s" % (event["seq"], one["role"]))
        if one["sha256"] in leaving and len(bundle.body(one["sha256"])) != one["size"]:
            faults.append("event %d gives another size for %s" % (event["seq"], one["sha256"]))
    present = {name[5:] for name in walk(bundle.folder)[0] if name.startswith("data/record/blobs/")}
    faults += ["the file %s belongs to no event" % name for name in sorted(present - {blob(one) for one in leaving})]
    fail_if(faults)
    if not leaving:
        raise Failed("the record names no body")
    left = sum(row["why"] == REDACTED for row in withheld)
    found = "%d bodies there, %d withheld on the secure side" % (len(leaving), len(withheld) - left)
    if left:
        raise NotHere(
            "%s; %d redacted: each is proven to be named by the record, their bytes are not here" % (found, left)
        )
    return found


def told(event: Event, one: Dict[str, Any]) -> bool:
    """Say whether a redacted bundle leaves a body out, as far as this event names it."""
    if event["type"].startswith("effect.") and event["data"]["kind"] == "model":
        return True
    if event["type"] == "results.released":
        return False
    return one["role"] in ("stdout", "stderr", "notes") or one["role"].startswith(("output:", "twin:"))


def check_proofs(bundle: Bundle, rows: List[Dict[str, Any]]) -> List[str]:
    """Return which rows of a redacted bundle do not prove that the record names them."""
    leaves = [leaf_hash(line) for line in bundle.read("data/record/events.jsonl").split(b"\n")[:-1]]
    faults = []
    for row in rows:
        proof = [bytes.fromhex(step) for step in row["proof"]]
        if proof != proof_of(leaves, row["event"]):
            faults.append("the proof of %s in record/withheld.json does not hold" % row["sha256"])
    return faults


def leaf_hash(line: bytes) -> bytes:
    """Return the hash of a line in the Merkle tree of RFC 6962."""
    return hashlib.sha256(b"\x00" + line).digest()


def root_of(leaves: List[bytes]) -> bytes:
    """Return the root of the tree over these hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return bytes.fromhex(tree.root())


def proof_of(leaves: List[bytes], index: int) -> List[bytes]:
    """Return the hashes that lead from a leaf to the root."""
    if len(leaves) == 1:
        return []
    at = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < at:
        return [*proof_of(leaves[:at], index), root_of(leaves[at:])]
    return [*proof_of(leaves[at:], index - at), root_of(leaves[:at])]


def may_hide(bundle: Bundle, event: Event, one: Dict[str, Any]) -> bool:
    """Say whether a body was computed from real data: nothing else may be withheld."""
    kind = event["type"]
    if kind == "checks.finished" or (kind == "checkpoint.opened" and event["data"]["kind"] in ("release", "sample")):
        return True
    if kind in ("set.made", "set.judged") or (kind == "effect.finished" and event["data"]["kind"] == "making"):
        return one["role"] in ("findings", "session", "key", "response") or one["role"].startswith("file:")
    if kind != "effect.finished" or event["data"]["kind"] != "execution" or one["role"] in ("request", "program"):
        return False
    return not bundle.document(ref(event, "request"))["synthetic"]


def effects(bundle: Bundle) -> str:
    """8: every effect ended, once, and second attempts are marked."""
    finished: Set[str] = set()
    running: Dict[str, Event] = {}
    attempts: Dict[str, int] = {}
    for event in bundle.of_type("effect.started", "effect.finished", "effect.failed"):
        key, attempt = event["data"]["key"], event["data"]["attempt"]
        if event["type"] == "effect.started":
            attempts[key] = attempts.get(key, 0) + 1
            if key in finished or attempt != attempts[key] or (key in running) != event["data"]["after_kill"]:
                raise Failed("event %d starts the effect %r again, or counts it wrong" % (event["seq"], key))
            running[key] = event
            continue
        start = running.pop(key, None)
        if start is None or start["data"]["attempt"] != attempt or ref(start, "request") != ref(event, "request"):
            raise Failed("event %d ends an effect %r that was not started so" % (event["seq"], key))
        if event["type"] == "effect.finished":
            finished.add(key)
    if not finished:
        raise NotApplicable("no effect ended in this study")
    return "%d effects, each once, %d second attempts" % (len(finished), sum(attempts.values()) - len(attempts))


# --- 6 and 7: people -----------------------------------------------------------------------------------------------


def decisions(bundle: Bundle) -> str:
    """6: every checkpoint was decided once, over its subject, signed by the reviewer whom it names."""
    opened = put_up(bundle)
    decided: Set[str] = set()
    signers: Dict[str, str] = {}
    unsigned: Optional[NotHere] = None
    for number, event in enumerate(bundle.of_type("decision.recorded"), start=1):
        reviewer = event["data"]["reviewer"]
        statement, signature = bundle.body(ref(event, "statement")), bundle.body(ref(event, "signature"))
        check_statement(bundle, event, json.loads(statement), opened, decided)
        for name, given in (("decisions/%d.json" % number, statement), ("decisions/%d.json.sig" % number, signature)):
            if bundle.read("data/" + name) != given:
                raise Failed("the file %s is not the one of the record" % name)
        try:
            check_decision_signature(reviewer["public_key"], statement, signature)
        except NotHere as reason:
            unsigned = reason
        except Failed as error:
            raise Failed("decisions/%d.json: %s" % (number, error)) from error
        decided.add(event["data"]["checkpoint"])
        signers[reviewer["id"]] = "%s %s\n" % (reviewer["id"], reviewer["public_key"])
    if bundle.read("data/keys/allowed_signers").decode() != "".join(signers.values()):
        raise Failed("the file keys/allowed_signers does not hold the keys of the record")
    fail_if(["nobody decided %s" % name for name in opened if name not in decided])
    check_end(bundle)
    if not decided:
        raise NotApplicable("nobody decided anything in this study")
    told = "%d decisions, each bound to its subject and to the record before it" % len(decided)
    if unsigned is not None:
        raise NotHere("%s, but the signatures: %s" % (told, unsigned))
    return told + ", each signed by the reviewer whom it names"


def put_up(bundle: Bundle) -> Dict[str, Event]:
    """Return the event of each checkpoint, which was put up once; a release of results with what it would let go."""
    opened: Dict[str, Event] = {}
    for event in bundle.of_type("checkpoint.opened"):
        kind, name = event["data"]["kind"], event["data"]["id"]
        side = "secure" if kind in ("release", "sample") else "open"
        wanted = [("subject", side)]
        if (kind, bundle.purpose()) == ("release", "analysis"):
            wanted.append(("proposed release", "secure"))
        if name in opened or [(one["role"], one["side"]) for one in event["refs"]] != wanted:
            raise Failed("event %d puts %s up again, or with something else than its kind has" % (event["seq"], name))
        if kind == "code":
            check_programs(event, bundle.document(ref(event, "subject")))
        opened[name] = event
    return opened


def check_programs(event: Event, subject: Dict[str, Any]) -> None:
    """Check that the programs that a reviewer was shown are those that an approval lets run."""
    shown = [(one["role"], sha256(one["code"].encode()), one["language"]) for one in shown_programs(subject)]
    ordered = [(one["role"], one["program"], one["language"]) for one in subject["orders"]]
    named = [(one["role"], one["sha256"], one["language"]) for one in shown_programs(subject)]
    if not sorted(shown) == sorted(ordered) == sorted(named):
        raise Failed("event %d shows other programs than it has run" % event["seq"])
    for one in subject["orders"]:
        if subject["environments"].get(one["role"], {"digest": one["environment"]})["digest"] != one["environment"]:
            raise Failed("event %d shows another environment than its programs run in" % event["seq"])
    if subject["editable"] != {one["role"]: one["code"] for one in subject["programs"]}:
        raise Failed("event %d shows other programs than an edit would begin from" % event["seq"])


_OF_A_REVIEWER = ("name", "orcid", "affiliation", "ror")


def check_statement(
    bundle: Bundle, event: Event, made: Dict[str, Any], opened: Dict[str, Event], decided: Set[str]
) -> None:
    """Check that what was signed is what the record says, about the subject and the record that were on screen."""
    data, reviewer = event["data"], event["data"]["reviewer"]
    checkpoint = opened.get(made["checkpoint"])
    if checkpoint is None or checkpoint["seq"] > event["seq"] or made["checkpoint"] in decided:
        raise Failed("event %d decides %s, which does not wait" % (event["seq"], made["checkpoint"]))
    for name in ("checkpoint", "subject", "kind", "decision", "replayed"):
        if data[name] != made[name]:
            raise Failed("event %d gives another %s than its signed statement" % (event["seq"], name))
    named = [made["reviewer"], *[made.get(name, "") for name in _OF_A_REVIEWER]]
    if named != [reviewer["id"], *[reviewer.get(name, "") for name in _OF_A_REVIEWER]]:
        raise Failed("event %d names another reviewer than its signed statement" % event["seq"])
    held = checkpoint["data"]
    if (made["study"], made["subject"], made["kind"]) != (bundle.study, held["subject"], held["kind"]):
        raise Failed("event %d decides on another study or subject than was put up" % event["seq"])
    if made["history"] != bundle.digests[checkpoint["seq"]]:
        raise Failed("event %d: the record before it is not the one that was signed" % event["seq"])
    if made["replayed"] != reviewer["replay"] or (made["replayed"] and bundle.events[0]["data"]["mode"] != "scenario"):
        raise Failed("event %d hides that nobody reviewed it" % event["seq"])


def check_end(bundle: Bundle) -> None:
    """Check that the study ended once, as was decided, and with what was made last."""
    ends = bundle.of_type("study.ended")
    if len(ends) != 1:
        raise Failed("the record holds %d ends of the study" % len(ends))
    seq, said = ends[0]["seq"], ends[0]["data"]
    if any(event["type"] not in CHANGES_NOTHING for event in bundle.events[seq + 1 :]):
        raise Failed("the study goes on after its end (event %d)" % seq)
    decided = [event["data"] for event in bundle.of_type("decision.recorded")]
    kind, last = (decided[-1]["kind"], decided[-1]["decision"]) if decided else ("", "")
    kinds = KINDS[bundle.purpose()]
    signed = [event["seq"] for event in bundle.approvals().values() if event["data"]["kind"] == kinds[-1]][-1:]
    for event in bundle.events[signed[0] + 1 : seq] if signed else []:
        if event["type"] not in SIGNED:
            raise Failed("event %d (%s) comes after the last approval" % (event["seq"], event["type"]))
    follows = {
        "done": (kind, last) == (kinds[-1], "approve"),
        "withdrawn": last == "withdraw",
        "rejected": last == "reject",
        "cannot_conclude": last in ("", "approve", "edit", "reject", "replan") and not signed,
    }
    approved = {data["kind"] for data in decided if data["decision"] == "approve"}
    if not follows.get(said["ended"]) or (said["ended"] == "done" and approved != set(kinds)):
        raise Failed("event %d: the study can't have ended %r after its decisions" % (seq, said["ended"]))
    for name, type_, role in ENDED_WITH[bundle.purpose()] if said["ended"] == "done" else ():
        made = bundle.of_type(type_)
        if not made or said[name] != ref(made[-1], role):
            raise Failed("event %d ends the study with another %s than was made last" % (seq, name))


def approvals(bundle: Bundle) -> str:
    """7: every execution on real data came after the approval of exactly its order, and every release after its own."""
    approved = bundle.approvals()
    for locked in bundle.of_type("plan.locked"):
        subject = bundle.document(approval(approved, locked, locked["data"]["checkpoint"], "plan")["data"]["subject"])
        if subject["editable"] != bundle.document(ref(locked, "plan")):
            raise Failed("event %d locks another plan than the approved one" % locked["seq"])
        before = [event["data"] for event in approved.values() if event["seq"] < locked["seq"]]
        plans = [data["checkpoint"] for data in before if data["kind"] == "plan"]
        if locked["data"]["checkpoint"] != plans[-1]:
            raise Failed("event %d locks a plan that was replaced" % locked["seq"])
    used: Dict[Tuple[str, str], str] = {}
    for gate in bundle.of_type("gate.opened"):
        data = gate["data"]
        if used.setdefault((data["approval"], data["order"]), data["effect"]) != data["effect"]:
            raise Failed("event %d uses an approval that another execution had used" % gate["seq"])
        check_opening(bundle, gate, approval(approved, gate, data["approval"], "code"))
    real = [event for event in bundle.of_type("effect.finished") if on_real_data(bundle, event)]
    for event in real:
        use = (ref(event, "request"), event["data"]["key"])
        gates = [gate["data"] for gate in bundle.of_type("gate.opened") if gate["seq"] < event["seq"]]
        if use not in [(gate["order"], gate["effect"]) for gate in gates]:
            raise Failed("event %d: an execution on real data without an approval" % event["seq"])
    for event in bundle.of_type("results.released"):
        check_release(bundle, event, approved, real)
    if not real:
        raise NotApplicable("no program was run on the real data")
    return "%d executions on real data, each approved before" % len(real)


def check_release(bundle: Bundle, event: Event, approved: Dict[str, Event], real: List[Event]) -> None:
    """Check that a release was approved, of what was put up, and of what the program that was approved last gave."""
    approval(approved, event, event["data"]["checkpoint"], "release")
    check_proposed(bundle, event)
    released = bundle.document(ref(event, "released"))
    runs = [run for run in real if run["seq"] < event["seq"] and ref(run, "response") == released["execution"]]
    given = {file["name"]: file["sha256"] for file in released["files"]}
    if not runs or outputs(event) != given:
        raise Failed("event %d releases what is not of an approved execution" % event["seq"])
    code = [one["data"]["subject"] for one in approved.values() if one["data"]["kind"] == "code"][-1]
    primary = [digest_of(order) for order in bundle.document(code)["orders"] if order["role"] == "primary"]
    if not [released["order"]] == [ref(runs[0], "request")] == primary:
        raise Failed("event %d releases what is not of the primary program approved last" % event["seq"])
    for file in released["files"]:
        check_given(bundle, event, file, outputs(runs[0]))


def check_proposed(bundle: Bundle, event: Event) -> None:
    """Check that what was released is, under its salt, the document that was put up to be released."""
    up = [one for one in bundle.of_type("checkpoint.opened") if one["data"]["id"] == event["data"]["checkpoint"]]
    named = [(one["size"], one["sha256"]) for made in up for one in made["refs"] if one["role"] == "proposed release"]
    body = bundle.body(ref(event, "released"))
    if named != [(len(body), commitment(event["data"].get("salt", ""), body))]:
        raise Failed("event %d releases something else than was put up to be released" % event["seq"])


def check_given(bundle: Bundle, event: Event, file: Dict[str, str], files: Dict[str, str]) -> None:
    """Check that a released file is, under its salt, the one that the execution left a commitment to."""
    made = commitment(file["salt"], bundle.body(file["sha256"]))
    if not made == file["commitment"] == files.get(file["name"]):
        raise Failed("event %d releases the file %s, which the execution did not give" % (event["seq"], file["name"]))


def commitment(salt: str, body: bytes) -> str:
    """Return the commitment to a body under a salt of 32 bytes; "" where it is none."""
    return sha256(bytes.fromhex(salt) + body) if re.fullmatch("[0-9a-f]{64}", salt) else ""


def approval(approved: Dict[str, Event], event: Event, checkpoint: str, kind: str) -> Event:
    """Return the approval that an event rests on."""
    found = approved.get(checkpoint)
    if found is None or found["seq"] > event["seq"] or found["data"]["kind"] != kind:
        raise Failed("event %d (%s) without an approval of the %s before it" % (event["seq"], event["type"], kind))
    return found


def shown_programs(subject: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the programs that a reviewer was shown: those of the model, and the check program beside them."""
    return list(subject["programs"]) + list(subject.get("checkers", []))


def check_opening(bundle: Bundle, gate: Event, code: Event) -> None:
    """Check that the data were opened to the bytes that the reviewer was shown."""
    subject = bundle.document(code["data"]["subject"])
    order = {digest_of(one): one for one in subject["orders"]}.get(gate["data"]["order"])
    if order is None or order["synthetic"]:
        raise Failed("event %d opened the data to a program that was not approved" % gate["seq"])
    shown = [sha256(one["code"].encode()) for one in shown_programs(subject) if one["role"] == order["role"]]
    if shown != [order["program"]]:
        raise Failed("event %d opened the data to another program than the reviewer was shown" % gate["seq"])


def on_real_data(bundle: Bundle, event: Event) -> bool:
    """Say whether an event ends an execution on real data, from the order that it was given."""
    if event["data"]["kind"] != "execution":
        return False
    order = bundle.document(ref(event, "request"))
    if ref(event, "program") != order["program"]:
        raise Failed("event %d gives the outcome of another program" % event["seq"])
    twins = {one["role"][5:]: one["sha256"] for made in bundle.of_type("intake.finished") for one in made["refs"]}
    data = {file["name"]: file["sha256"] for file in bundle.events[0]["data"]["data"]}
    for given in order["inputs"]:
        if (twins if order["synthetic"] else data).get(given["name"]) != given["sha256"]:
            raise Failed("event %d: an execution on something else than it says" % event["seq"])
    return not order["synthetic"]


# --- 9 to 11: what the bundle says ---------------------------------------------------------------------------------


def numbers(bundle: Bundle) -> str:
    """9: the report is the one that was signed, and every number of it resolves to a released result."""
    reports = bundle.of_type("report.rendered")
    for event in bundle.of_type("checkpoint.opened"):
        if event["data"]["kind"] == "signoff":
            check_shown(bundle, event, [made for made in reports if made["seq"] < event["seq"]][-1:])
    if not reports:
        if bundle.of_type("study.ended")[-1]["data"]["ended"] == "done":
            raise Failed("the study is done, and there is no report")
        raise NotApplicable("the study ended without a report")
    document = bundle.document(ref(reports[-1], "report"))
    releases = [event for event in bundle.of_type("results.released") if event["seq"] < reports[-1]["seq"]]
    locks = [event for event in bundle.of_type("plan.locked") if event["seq"] < reports[-1]["seq"]]
    if not releases or not locks:
        raise Failed("event %d renders a report before anything was released" % reports[-1]["seq"])
    rests = (ref(releases[-1], "released"), ref(locks[-1], "plan"))
    if (document["released"], document["plan"]) != rests:
        raise Failed("the report rests on other results, or on another plan")
    released, plan = bundle.document(rests[0]), bundle.document(rests[1])
    if markdown(document) != bundle.body(ref(reports[-1], "report.md")).decode():
        raise Failed("the text of report.md is not that of report.json")
    found, faults = 0, []
    for section in document["sections"]:
        faults += text_faults(section, names_of(plan))
        found += sum(
            part["kind"] == "number" and part["ref"][:5] not in ("plan.", "flow.") for part in section["parts"]
        )
    for section in document["sections"] + document["appendix"]:
        for part in section["parts"]:
            if part["kind"] == "number" and not resolves(part, released, plan):
                faults.append("section %r: %r is not %s" % (section["name"], part["text"], part["ref"]))
    fail_if(faults)
    if not found:
        raise Failed("the report holds no number of a released result")
    return "%d numbers in the text, all resolve to %d released results" % (found, len(released["results"]))


def check_shown(bundle: Bundle, event: Event, rendered: List[Event]) -> None:
    """Check that what was put up for the sign-off is the report that was rendered last before it."""
    subject = bundle.document(ref(event, "subject"))
    if not rendered or subject["report"] != ref(rendered[0], "report"):
        raise Failed("event %d puts up another report than was rendered for it" % event["seq"])
    shown = (subject["document"], subject["markdown"].encode())
    if shown != (bundle.document(subject["report"]), bundle.body(ref(rendered[0], "report.md"))):
        raise Failed("event %d shows another report than it names" % event["seq"])


def markdown(document: Dict[str, Any]) -> str:
    """Put the text of a report together."""
    lines = ["# " + document["title"], "", document["head"], ""]
    for section in document["sections"] + document["appendix"]:
        lines += ["## " + section["name"].capitalize(), "", "".join(part["text"] for part in section["parts"]), ""]
    return "\n".join(lines)


def names_of(plan: Any) -> Set[str]:
    """Return the names with digits in them that stand in the texts of a plan, such as S100B."""
    if isinstance(plan, str):
        return set(NAME.findall(plan))
    parts = plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else []
    return {name for part in parts for name in names_of(part)}


def text_faults(section: Dict[str, Any], names: Set[str]) -> List[str]:
    """Return the numerals that stand in the model's words themselves, outside of citations and names of the plan."""
    faults, parts = [], section["parts"]
    for at, part in enumerate(parts):
        shown = html.unescape(re.sub(r"\[@[A-Za-z][A-Za-z0-9_:.-]*\]", "", part["text"]))
        before, after = ("_" if kind == "number" else " " for kind in (kind_at(parts, at - 1), kind_at(parts, at + 1)))
        shown = NAME.sub(lambda found: "" if found.group() in names else found.group(), before + shown + after)
        if part["kind"] != "number" and any(unicodedata.category(sign) in ("Nd", "Nl", "No") for sign in shown):
            faults.append("section %r holds a numeral that is no reference" % section["name"])
    return faults


def kind_at(parts: List[Dict[str, str]], at: int) -> str:
    """Return the kind of a part; "" outside of the text."""
    return parts[at]["kind"] if 0 <= at < len(parts) else ""


def resolves(part: Dict[str, str], released: Dict[str, Any], plan: Dict[str, Any]) -> bool:
    """Say whether a number of the report is, rounded, what it refers to."""
    text = part["text"]
    name, _, field = part["ref"].partition(".")
    if name == "plan":
        value = plan.get(field)
        if field == "ci_level" and isinstance(value, float):
            return text.endswith("%") and same(text[:-1], value * 100)
        return same(text, value)
    if name == "flow":
        flow = released.get("flow") or {}
        if re.fullmatch("excluded_[0-9]{1,6}", field):
            rows = flow.get("excluded", [])
            return int(field[9:]) < len(rows) and same(text, rows[int(field[9:])]["n"])
        return same(text, flow.get(field))
    result = {one["id"]: one for one in released["results"]}.get(name)
    if result is None:
        return False
    if field == "ci":
        ends = text.split(" to ")
        return len(ends) == 2 and same(ends[0], result["ci_low"]) and same(ends[1], result["ci_high"])
    if field == "p" and text == "<0.001":
        return result["p_value"] is not None and result["p_value"] < 0.001
    fields = {"value": "value", "p": "p_value", "n": "n", "ci_low": "ci_low", "ci_high": "ci_high"}
    return field in fields and same(text, result[fields[field]], 2 if field == "p" else 3)


def same(text: str, value: Any, digits: int = 3) -> bool:
    """Say whether `text` is `value` rounded to what it shows: `digits` significant digits at least."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,3})?", text):
        return False
    shown, exact = Decimal(text), Decimal(repr(value))
    if abs(value) < 1e15 and value == int(value):
        return shown == exact
    last = shown.as_tuple().exponent
    assert isinstance(last, int)
    if last >= 0:
        last = shown.adjusted() + 1 - len(shown.normalize().as_tuple().digits)
    unit = Decimal(1).scaleb(min(last, exact.adjusted() - digits + 1))
    return abs(shown - exact) <= unit / 2 * (1 + Decimal("1e-9"))


def marks(bundle: Bundle) -> str:
    """10: nothing synthetic was released, and the label says how the study was reviewed."""
    decided = [event["data"] for event in bundle.of_type("decision.recorded")]
    kinds = {data["kind"] for data in decided if data["decision"] == "approve"}
    alone = bool(bundle.events[0]["data"].get("single_user"))
    label, notice = "not reviewed to the end", SINGLE_USER_NOTICE if alone else ""
    if kinds == set(KINDS[bundle.purpose()]):
        label = "decided in single-user mode: by one person, who also made it" if alone else "reviewed by people"
    if bundle.events[0]["data"]["mode"] == "scenario":
        notice = ""
    if bundle.events[0]["data"]["mode"] == "scenario" or any(data["replayed"] for data in decided):
        label = "replayed, not reviewed"
    if bundle.info("Counterproof-Review") != [label]:
        raise Failed("the bag does not say that the study was %s" % label)
    check_info(bundle)
    readme = bundle.read("data/README.md").decode()
    created, ended = bundle.events[0]["data"], bundle.of_type("study.ended")[-1]["data"]["ended"]
    facts = "# %s\n\nA bundle of the study `%s`, made by Counterproof. State: **%s**. Review: **%s**.\n"
    facts %= (created["title"], created["study"], ended, label)
    if not readme.startswith(facts) or any(readme.count(word) != 1 for word in ("Review: **", "State: **")):
        raise Failed("README.md does not begin as that of a study that was %s" % label)
    if bundle.of_type("report.rendered") and notice not in bundle.read("data/report.md").decode():
        raise Failed("report.md does not say: %s" % notice)
    for event in bundle.of_type("results.released"):
        if bundle.document(ref(event, "released"))["synthetic"]:
            raise Failed("event %d releases results of synthetic data" % event["seq"])
    return "label: " + label


def check_info(bundle: Bundle) -> None:
    """Check that bag-info.txt has the rows of a bundle, each once and in one line, and the size of this payload."""
    rows = bundle.read("bag-info.txt").decode()
    names = [row.split(": ")[0] for row in rows.splitlines()]
    if rows.splitlines() != rows.split("\n")[:-1] or not set(names) <= INFO or len(set(names)) != len(names):
        raise Failed("bag-info.txt has other rows than a bundle: %s" % ", ".join(sorted(set(names) - INFO)))
    files = [name for name in walk(bundle.folder)[0] if name.startswith("data/")]
    size = sum(os.path.getsize(os.path.join(bundle.folder, name)) for name in files)
    if bundle.info("Payload-Oxum") != ["%d.%d" % (size, len(files))]:
        raise Failed("bag-info.txt gives another size of the payload")


def copies(bundle: Bundle) -> str:
    """11: the plain-named files are those of the record."""
    wanted: Dict[str, str] = {}
    for event in bundle.of_type("plan.locked"):
        wanted["plan.json"] = ref(event, "plan")
    for event in bundle.of_type("report.rendered"):
        wanted.update({"report.json": ref(event, "report"), "report.md": ref(event, "report.md")})
    for event in bundle.of_type("results.released"):
        wanted.update({"results/" + name: digest for name, digest in outputs(event).items()})
        wanted["results/released.json"] = ref(event, "released")
    for event in bundle.of_type("set.released"):
        wanted.update({"set/" + one["role"][5:]: one["sha256"] for one in event["refs"] if one["role"][:5] == "file:"})
        wanted["set/released.json"] = ref(event, "released")
    for event in bundle.approvals().values():
        if event["data"]["kind"] == "code":
            for one in shown_programs(bundle.document(event["data"]["subject"])):
                ending = "R" if one.get("language") == "r" else "py"
                wanted["programs/%s.%s" % (one["role"], ending)] = sha256(one["code"].encode())
    made = bundle.of_type("statement.made")
    for event in made:
        statement = ref(event, "statement.json")
        for up in bundle.of_type("checkpoint.opened"):
            if up["data"]["id"] != event["data"]["checkpoint"]:
                continue
            if bundle.document(ref(up, "subject"))["transparency"]["statement"] != statement:
                raise Failed("event %d shows another statement than was made for it" % up["seq"])
        if event["data"]["checkpoint"] in bundle.approvals():
            wanted["transparency/signed.json"] = statement
    for one in made[-1]["refs"] if made else []:
        if one["role"] == "answers.toml":
            wanted["transparency/answers.toml"] = one["sha256"]
    created = bundle.events[0]["data"]
    if created["share_data"] and bundle.info("Counterproof-Profile") == ["full"]:
        wanted.update({"inputs/" + file["name"]: file["sha256"] for file in created["data"]})
    fail_if(["the file %s is not that of the record" % n for n, d in wanted.items() if bundle.digest("data/" + n) != d])
    rest = "what is made from the record (pages, statement, RO-Crate, bco.json, prov.json, in-toto/) was not made again"
    if not wanted:
        raise NotHere(rest)
    return "%d files are those of the record; %s" % (len(wanted), rest)


# --- 7 and 9 of a synthetic set ------------------------------------------------------------------------------------


def making(bundle: Bundle) -> str:
    """7: the data were opened to a maker for the approved specification alone, once."""
    if bundle.purpose() != "synthesis":
        raise Failed("the bag says that it is of a synthetic set, and the record is that of an analysis")
    approved = bundle.approvals()
    used: Dict[str, str] = {}
    uses: List[Tuple[int, str, str]] = []
    for gate in bundle.of_type("gate.opened"):
        data = gate["data"]
        found = approval(approved, gate, data["approval"], "specification")
        order = bundle.document(found["data"]["subject"])["order"]
        if order is None or digest_of(order) != data["order"]:
            raise Failed("event %d opened the data for another order than was approved" % gate["seq"])
        if used.setdefault(data["approval"], data["effect"]) != data["effect"]:
            raise Failed("event %d uses an approval that another making had used" % gate["seq"])
        uses.append((gate["seq"], data["order"], data["effect"]))
    made = [event for event in bundle.of_type("effect.finished") if event["data"]["kind"] != "model"]
    for event in made:
        if event["data"]["kind"] != "making":
            raise Failed("event %d is an %s, which no synthetic set has" % (event["seq"], event["data"]["kind"]))
        use = (ref(event, "request"), event["data"]["key"])
        if use not in [(order, effect) for seq, order, effect in uses if seq < event["seq"]]:
            raise Failed("event %d made a set from real data without an approval" % event["seq"])
    if not uses:
        raise NotApplicable("the gate opened no real data: the set is made for a table that is synthetic itself")
    return "%d sets made from real data, each approved before" % len(made)


def released_set(bundle: Bundle) -> str:
    """9: what was released is what people approved, every file carries the mark, and nothing was signed off."""
    for up in bundle.of_type("checkpoint.opened"):
        if up["data"]["kind"] not in KINDS["synthesis"]:
            raise Failed("event %d puts up a %s, which no synthetic set has" % (up["seq"], up["data"]["kind"]))
    fail_if(["event %d releases results of a synthetic set" % one["seq"] for one in bundle.of_type("results.released")])
    events = bundle.of_type("set.released")
    if not events:
        fail_if(["the bundle holds files of a set that nobody released" for _ in bundle_files(bundle, "data/set/")][:1])
        raise NotApplicable("the set was not released")
    if len(events) > 1:
        raise Failed("event %d releases a second set" % events[1]["seq"])
    event, approved = events[0], bundle.approvals()
    document = bundle.document(ref(event, "released"))
    opened = {row["role"]: row for row in document["opened"]}
    if {one["role"]: one["sha256"] for one in event["refs"] if one["role"] != "released"} != {
        role: row["sha256"] for role, row in opened.items()
    }:
        raise Failed("event %d releases other bodies than its document names" % event["seq"])
    for role, row in opened.items():
        if commitment(row["salt"], bundle.body(row["sha256"])) != row["commitment"]:
            raise Failed("event %d: the %s that was released is not the one of its commitment" % (event["seq"], role))
    subject = bundle.document(opened["subject"]["sha256"])
    found = approval(approved, event, event["data"]["checkpoint"], "release")
    if found["data"]["subject"] != opened["subject"]["commitment"]:
        raise Failed("event %d releases what was not put up" % event["seq"])
    files = {"file:" + name: commitment for name, commitment in subject["files"].items()}
    if {role: row["commitment"] for role, row in opened.items() if role[:5] == "file:"} != files:
        raise Failed("event %d releases other files than were approved" % event["seq"])
    judged = [one for one in bundle.of_type("set.judged") if one["seq"] < found["seq"]][-1]
    sample = approval(approved, judged, judged["data"]["checkpoint"], "sample")
    if not sample["data"]["subject"] == subject["sample"] == opened["sample"]["commitment"]:
        raise Failed("event %d releases a set of which another sample was approved" % event["seq"])
    card = sha256(bundle.read("data/set/card.json"))
    if not card == subject["card"] == document["card"]:
        raise Failed("the file set/card.json is not the card that was released")
    rows = [marked(bundle, name[5:], card) for name in files]
    return "%d files, %d rows or texts, each with the mark and the card %s" % (len(files), sum(rows), card)


def bundle_files(bundle: Bundle, folder: str) -> List[str]:
    """Return the names of the files below a folder of the bag."""
    return [name for name in walk(bundle.folder)[0] if name.startswith(folder)]


def marked(bundle: Bundle, name: str, card: str) -> int:
    """Check that a file of a set carries the mark and the digest of its card; return how many rows or texts it has."""
    text = bundle.read("data/set/" + name).decode("utf-8")
    if name.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    elif name.endswith(".jsonl"):
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    else:
        if name != "card.json" and not ("never real" in text and card[:16] in text):
            raise Failed("the file set/%s does not say that it is synthetic, or names another card" % name)
        return 0
    if not rows or any((str(row.get(MARK)), row.get(CARD_COLUMN)) != ("1", card) for row in rows):
        raise Failed("the file set/%s has rows without the mark, or of another card" % name)
    return len(rows)


STEPS: List[Tuple[str, Callable[[Bundle], str]]] = [
    ("container", container),
    ("bag", bag),
    ("seal", seal),
    ("chain", chain),
    ("bodies", bodies),
    ("decisions", decisions),
    ("approvals", approvals),
    ("effects", effects),
    ("numbers", numbers),
    ("marks", marks),
    ("copies", copies),
]
OF_A_SET = {"approvals": ("making", making), "numbers": ("set", released_set)}
"""What the bundle of a synthetic set has in place of a step."""
NEEDS_NO_RECORD = ("container", "bag", "seal", "chain")


def take(bundle: Bundle, name: str, step: Callable[[Bundle], str]) -> Tuple[str, str]:
    """Take a step, whatever is in the files, and return its outcome and what it found."""
    if not bundle.events and name not in NEEDS_NO_RECORD:
        return "failed", "the record can't be read: see step 4"
    try:
        return "ok", step(bundle)
    except NotHere as reason:
        return "cannot be checked here", str(reason)
    except NotApplicable as reason:
        return "not applicable", str(reason)
    except Failed as error:
        return "failed", str(error)
    except Exception as error:  # a stranger's file can be of any form
        return "failed", "something is not of the form that it should have: %r" % (error,)


def main(arguments: List[str]) -> int:
    """Verify the bundle in a folder and print one line for each step."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    bundle = Bundle(arguments[0] if arguments else here)
    outcomes = []
    of_a_set = bundle.info("Counterproof-Kind") == ["synthesis"]
    steps = [OF_A_SET.get(name, (name, step)) if of_a_set else (name, step) for name, step in STEPS]
    for number, (name, step) in enumerate(steps, start=1):
        outcome, found = take(bundle, name, step)
        outcomes.append(outcome)
        line = "%2d %-10s %s: %s" % (number, name, outcome, found)
        print("".join(sign if sign.isprintable() else "?" for sign in line).encode("ascii", "replace").decode())
    failed = outcomes.count("failed")
    left = outcomes.count("cannot be checked here")
    print("%s: %d steps failed, %d could not be checked here" % ("FAILED" if failed else "OK", failed, left))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
