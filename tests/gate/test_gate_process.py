"""The gate behind its line: what it gives, and what it does with garbage, lies, races and deaths on both sides."""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from counterproof.agents.secure import INTAKE, AskingGuard
from counterproof.provenance.errors import CounterproofError, MachineTrouble, ToolFailed, UsageError, VerificationFailed
from counterproof.provenance.store import Status
from counterproof.provenance.vault import Vault
from counterproof.provenance.vault_keys import VaultKeys, key_file_protector
from counterproof.sandbox._private import private_folder
from counterproof.sandbox.errors import GateRefused
from counterproof.sandbox.gate_client import GateClient
from counterproof.sandbox.gate_line import (
    MOST_BYTES,
    VERSION,
    Execute,
    Failed,
    Go,
    Have,
    HaveNot,
    Hello,
    Line,
    LineBroken,
    Opened,
    Want,
)
from counterproof.sandbox.laid import laid_folder, sweep
from counterproof.sandbox.secure_side import let_out
from counterproof.tools.rowguard import RowInRequest
from counterproof.ui.gates import ChildGate

from ..endpoint import Endpoint
from ..lab import PRIMARY, Lab, program, script, trial_csv, written
from ..opened import opened_by
from .conftest import EVIL, Begin, Target
from .served import client_of, greeted, order_message, side_of

pytestmark = pytest.mark.attack
SLEEPS = program("Sleeps on real data.", middle='import time\nif "synthetic_twin" not in rows[0]: time.sleep(60)')


def _execute(target: Target, client: GateClient, effect: str = "honest") -> Any:
    order = target.order()
    code = target.lab.study(target.id).record.blobs.get(order.program)
    return side_of(target, client).execute(order, code, effect=effect)


def test_an_approved_order_is_executed_and_noted_before_it_runs(begin: Begin) -> None:
    target = begin("code approved")
    done = _execute(target, client_of(target))
    assert done.status == "ok"
    assert [artifact.name for artifact in done.artifacts] == ["flow.json", "results.json"]
    assert [event.data["effect"] for event in target.lab.events(target.id, "gate.opened")] == ["honest"]


def test_a_refusal_comes_back_and_is_noted(begin: Begin) -> None:
    target = begin("code")
    with pytest.raises(GateRefused, match=r"is not decided.*Put it to a reviewer again"):
        _execute(target, client_of(target))
    assert len(target.refusals()) == 1
    target.assert_unread()


def test_files_that_no_reviewer_was_shown_stay_inside(begin: Begin) -> None:
    target = begin("code approved")
    done = _execute(target, client_of(target))
    named = [event for event in target.lab.events(target.id, "effect.finished") if event.data["kind"] == "execution"]
    shown = let_out(done, named, target.order())
    assert (shown.artifacts, shown.rejected) == (done.artifacts, ())
    held = let_out(done, [], target.order())
    assert held.artifacts == ()
    assert [left.name for left in held.rejected] == ["", ""]


FRAMES: dict[str, bytes] = {
    "garbage": b"GET / HTTP/1.1\r\n\r\n",
    "pickle": pickle.dumps(os.getcwd),
    "a pickle in a frame": struct.pack(">4sI", b"CPG1", len(pickle.dumps(os.getcwd))) + pickle.dumps(os.getcwd),
    "another magic": struct.pack(">4sI", b"CPG2", 4) + b"\x81\xa4ty",
    "too long": struct.pack(">4sI", b"CPG1", MOST_BYTES + 1),
    "no MessagePack": struct.pack(">4sI", b"CPG1", 3) + b"\xc1\xc1\xc1",
    "no kind": struct.pack(">4sI", b"CPG1", 1) + b"\x80",
    "deep": struct.pack(">4sI", b"CPG1", 100_000) + b"\x91" * 100_000,
    "empty": struct.pack(">4sI", b"CPG1", 0),
}


def _framed(value: Any) -> bytes:
    body = msgspec.msgpack.encode(value)
    return struct.pack(">4sI", b"CPG1", len(body)) + body


MESSAGES: dict[str, Any] = {
    "an unknown kind": {"type": "Open", "path": "/etc/passwd"},
    "a field more": {"type": "Hello", "version": VERSION, "root": True},
    "a field less": {"type": "Ask", "question": "intake"},
    "a number for text": {"type": "Ask", "study": 1, "question": "intake", "files": [], "argument": b""},
    "the gate's own words": {"type": "Opened", "noted": []},
    "go before anything": {"type": "Go"},
    "a blob that nobody wanted": {"type": "Have", "data": b"x"},
}


@pytest.mark.parametrize("frame", [*FRAMES.values(), *map(_framed, MESSAGES.values())], ids=[*FRAMES, *MESSAGES])
def test_garbage_ends_the_line_and_nothing_else(begin: Begin, frame: bytes) -> None:
    target = begin("code approved")
    client = client_of(target)
    line = greeted(client)
    line._socket.sendall(frame)
    with pytest.raises(LineBroken, match=r"The gate .*run again"):
        line.receive(wait_s=30)
    assert side_of(target, client).ask(INTAKE).bodies.keys() == {"trial.csv"}
    target.assert_unread()


def test_a_message_that_is_cut_off_ends_the_line(begin: Begin) -> None:
    target = begin("code approved")
    line = greeted(client_of(target))
    line._socket.sendall(_framed({"type": "ListData"})[:-2])
    line._socket.shutdown(1)
    with pytest.raises(LineBroken, match="has ended"):
        line.receive(wait_s=30)


@pytest.mark.parametrize("first", [Hello(version=VERSION + 1), Go()], ids=["another version", "no hello"])
def test_another_version_is_refused(begin: Begin, first: Any) -> None:
    client = client_of(begin("code approved"))
    line = Line(client.dial(), other="the gate")
    line.send(first)
    told = line.receive(wait_s=30)
    assert isinstance(told, Failed)
    assert "Install the same version" in told.advice


def test_the_wrong_user_at_the_other_end_is_not_believed(begin: Begin) -> None:
    client = replace(client_of(begin("code approved")), expected_uid=os.geteuid() + 1)
    with pytest.raises(MachineTrouble, match="answers in the gate's place"):
        client.entries()


LIES: dict[str, tuple[Callable[[Target], dict[str, Any]], str]] = {
    "another program": (lambda _: {"program": EVIL.encode()}, "the program is not the one that the order names"),
    "no order": (lambda _: {"order": b'{"role": "primary"}'}, "is no order"),
    "an order for another program": (
        lambda target: {
            "order": target.order().model_copy(update={"program": target.put(EVIL)}).model_dump_json().encode(),
            "program": EVIL.encode(),
        },
        "the approved code is not this program",
    ),
    "another study's name": (lambda _: {"study": "study-00000000"}, "is not that of study-00000000"),
    "a path for a name": (lambda _: {"study": "../../etc"}, "is no study"),
    "no record": (lambda _: {"record": b""}, "is not that of"),
    "a changed record": (
        lambda target: {"record": order_message(target).record.replace(b'"metadata"', b'"rows"', 1)},
        "doesn't follow|can't|not readable|hashes",
    ),
    "a record without the approval": (
        lambda target: {"record": b"".join(order_message(target).record.splitlines(keepends=True)[:-1])},
        "is not decided",
    ),
}


@pytest.mark.parametrize(("lie", "why"), LIES.values(), ids=LIES)
def test_a_lie_about_the_study_opens_nothing(begin: Begin, lie: Callable[[Target], dict[str, Any]], why: str) -> None:
    target = begin("code approved")
    told = _asked(target, client_of(target), order_message(target, **lie(target)))
    assert isinstance(told, Failed)
    with pytest.raises(CounterproofError, match=why):
        raise told.error()


def _asked(target: Target, client: GateClient, message: Execute, blob: Callable[[bytes], bytes] = bytes) -> Any:
    """Ask, hand over what is wanted after `blob` has seen it, and return what is said then."""
    line = greeted(client)
    line.send(message)
    blobs = target.lab.study(target.id).record.blobs
    while isinstance(told := line.receive(wait_s=60), Want):
        line.send(Have(data=blob(blobs.get(told.digest))) if blobs.has(told.digest) else HaveNot())
    line.close()
    return told


def test_blobs_that_were_changed_on_the_way_are_refused(begin: Begin) -> None:
    target = begin("code approved")
    told = _asked(target, client_of(target), order_message(target), blob=lambda data: data + b" ")
    assert isinstance(told, Failed)
    assert "the agent gave other bytes" in told.what


def test_the_order_of_another_study_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    other = Target(lab=target.lab, id=target.lab.new())
    message = order_message(target, study=other.id, record=target.lab.study(other.id).record.path.read_bytes())
    told = _asked(target, client_of(target), message)
    assert isinstance(told, Failed)
    assert "there was no code checkpoint" in told.what


def test_a_record_that_has_become_shorter_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    client, before = client_of(target), order_message(target, effect="honest")
    target.lab.study(target.id).record.append("study.stopped", data={"error": "a step", "kind": "ToolFailed"})
    _execute(target, client)
    told = _asked(target, client, before)
    assert isinstance(told, Failed)
    assert "A record only grows." in told.allowed


def test_of_eight_at_once_one_is_executed(begin: Begin) -> None:
    target = begin("code approved")
    client = client_of(target)
    side, order = side_of(target, client), target.order()

    def ask(number: int) -> str:
        try:
            return side.execute(order, PRIMARY.encode(), effect=f"effect-{number}").status
        except GateRefused:
            return "refused"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == ["ok", *["refused"] * 7]
    assert len(target.lab.events(target.id, "gate.opened")) == 1


def test_an_agent_that_goes_away_ends_its_program_and_leaves_no_data(lab: Lab, tmp_path: Path) -> None:
    target, laid = _at_sleeping_code(lab), tmp_path / "laid"
    laid.mkdir()
    line = greeted(client_of(target, laid=laid))
    line.send(order_message(target))
    _until_opened(target, line)
    line.send(Go())
    assert [path.read_bytes() for path in laid.glob("*/data/trial.csv")] == [trial_csv()]
    time.sleep(0.5)
    line.close()
    _wait_for(lambda: not any(laid.iterdir()))


def _until_opened(target: Target, line: Line) -> None:
    blobs = target.lab.study(target.id).record.blobs
    while isinstance(told := line.receive(wait_s=60), Want):
        line.send(Have(data=blobs.get(told.digest)))
    assert isinstance(told, Opened)


def test_a_gate_that_is_killed_in_the_middle_is_an_error_and_the_next_one_cleans_up(lab: Lab) -> None:
    target = _at_sleeping_code(lab)
    child = ChildGate(lab.home, warm=False)
    client = GateClient(dial=child.dial, expected_uid=os.geteuid())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lab.runner(gate=client, sandbox=None).run, target.id)
        _wait_for(lambda: len(lab.events(target.id, "gate.opened")) == 2)
        laid = _held_by(child.pid)
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(MachineTrouble, match=r"The gate has ended\..*run again"):
            running.result(timeout=60)
    assert lab.workplace.store.study(target.id)["status"] == Status.STOPPED
    failed = [event.data["key"] for event in lab.events(target.id, "effect.failed")]
    assert sorted(key.split("/")[1] for key in failed) == ["primary", "replication"]
    assert any((folder / "data" / "trial.csv").exists() for folder in laid)
    assert client.entries()[0].name == "trial.csv"
    assert not any(folder.exists() for folder in laid)
    client.close()


def test_a_whole_study_goes_through_the_gates_process(lab: Lab) -> None:
    VaultKeys.create(lab.home / "vault", key_file_protector(lab.home / "keys" / "vault.key", make=True))
    study = lab.new()
    child = ChildGate(lab.home, warm=False)
    client = GateClient(dial=child.dial, expected_uid=os.geteuid())
    with Endpoint(script()) as endpoint:
        runner = lab.runner(
            endpoint.base_url, gate=client, sandbox=None, workplace=replace(lab.workplace, vault=_Nothing())
        )
        status = runner.run(study)
        while status is Status.WAITING:
            lab.decide(study)
            status = runner.run(study)
    assert status is Status.DONE
    environment = Path(f"/proc/{child.pid}/environ").read_bytes()
    assert {line.partition(b"=")[0] for line in environment.split(b"\0") if line} == {b"PATH"}
    client.close()


class _Nothing(Vault):
    """A vault that this process can't open."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"))


def test_the_guard_at_the_gate_finds_a_row(begin: Begin) -> None:
    target = begin("code approved")
    guard = AskingGuard(side_of(target, client_of(target)))
    guard.check(b'{"messages": ["the scores differ"]}')
    row = trial_csv().decode().splitlines()[5]
    with pytest.raises(RowInRequest, match=r"of the real data; it was not sent\. Found: .*Look at"):
        guard.check(json.dumps({"messages": [row]}).encode())


def test_unknown_questions_are_refused(begin: Begin) -> None:
    target = begin("code approved")
    with pytest.raises(UsageError, match=r"does not answer 'rows'.*It answers: .*guard, intake, patients, secret"):
        side_of(target, client_of(target)).ask("rows")


def test_a_data_file_leaves_only_where_its_terms_say_so(begin: Begin, tmp_path: Path) -> None:
    target = begin("code approved")
    side, ledger = side_of(target, client_of(target)), target.lab.workplace.vault.ledger
    with pytest.raises(ToolFailed, match=r"trial\.csv may not leave the vault"):
        side.copy(side.files[0], tmp_path / "copy.csv")
    entry = ledger.find("trial.csv")
    ledger.added(msgspec.structs.replace(entry, share=True), by="the test")
    side.copy(side.files[0], tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == trial_csv()


def test_a_gate_of_another_user_runs_nothing_that_was_not_approved(begin: Begin) -> None:
    target = begin("code approved")
    client = client_of(target, runs_open=False)
    order = target.order()
    spec = target.gate().open(order, PRIMARY.encode(), effect="spec")
    with pytest.raises(UsageError, match="runs approved programs only"):
        side_of(target, client).run_open(spec)


def test_what_is_mounted_is_what_was_hashed(begin: Begin, tmp_path: Path) -> None:
    target = begin("code approved")
    vault, order = target.lab.workplace.vault, target.order()
    kept = vault.path(order.inputs[0].sha256)
    with private_folder(tmp_path) as place:
        spec = target.gate().open(order, PRIMARY.encode(), effect="attack", place=place)
        kept.unlink()
        kept.symlink_to("/etc/passwd")
        assert spec.inputs[0].host.read_bytes() == trial_csv()
        assert place in spec.inputs[0].host.parents


def test_a_link_in_the_place_of_a_data_file_is_refused(begin: Begin, tmp_path: Path) -> None:
    target = begin("code approved")
    kept = target.lab.workplace.vault.path(target.order().inputs[0].sha256)
    (tmp_path / "same.csv").write_bytes(trial_csv())
    kept.unlink()
    kept.symlink_to(tmp_path / "same.csv")
    with pytest.raises(GateRefused, match=r"the data file trial\.csv is not in the vault \(Too many levels"):
        target.open_gate()
    target.assert_unread()


def test_a_file_that_is_exchanged_all_the_time_is_never_mounted_wrong(begin: Begin, tmp_path: Path) -> None:
    target = begin("code approved")
    vault, digest = target.lab.workplace.vault, target.order().inputs[0].sha256
    kept, stop = vault.path(digest), threading.Event()
    evil = tmp_path / "evil.csv"

    def exchange() -> None:
        while not stop.is_set():
            for content in (b"arm,score\n1,2\n", trial_csv()):
                evil.write_bytes(content)
                evil.rename(kept)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(exchange)
        outcomes = [_laid_out(vault, digest, tmp_path / f"out-{at}") for at in range(60)]
        stop.set()
    assert set(outcomes) <= {"changed", "right"}
    assert "right" in outcomes


def _laid_out(vault: Vault, digest: str, target: Path) -> str:
    try:
        vault.lay(digest, target)
    except VerificationFailed:
        return "left behind" if target.exists() else "changed"
    return "right" if target.read_bytes() == trial_csv() else "WRONG"


def test_forgotten_data_are_refused_with_who_and_why(begin: Begin) -> None:
    target = begin("code approved")
    vault, digest = target.lab.workplace.vault, target.order().inputs[0].sha256
    vault.ledger.forgotten(digest, by="ada", reason="consent withdrawn")
    vault.destroy(digest)
    with pytest.raises(GateRefused, match=r"was forgotten on .* by ada \(consent withdrawn\)"):
        target.open_gate()
    assert "consent withdrawn" in target.refusals()[0]


def test_folders_of_dead_gates_are_swept_and_others_are_not(tmp_path: Path) -> None:
    dead = tmp_path / "counterproof-dead"
    (dead / "data").mkdir(parents=True)
    (dead / "data" / "trial.csv").write_bytes(trial_csv())
    (dead / ".held").touch()
    with laid_folder(tmp_path) as alive:
        assert sweep(tmp_path) == 1
        assert alive.exists()
    assert list(tmp_path.iterdir()) == []


def test_data_that_have_no_room_are_not_laid(tmp_path: Path) -> None:
    with pytest.raises(MachineTrouble, match=r"are to be laid there\..*--laid"), laid_folder(tmp_path, room=1 << 60):
        pass


def _at_sleeping_code(lab: Lab) -> Target:
    """Return a study whose approved programs sleep on the real data."""
    study = lab.new()
    with Endpoint(script(primary=[written(SLEEPS)], replication=[written(SLEEPS)])) as endpoint:
        lab.run(study, endpoint.base_url)
        lab.decide(study)
        lab.run(study, endpoint.base_url)
        lab.decide(study)
    return Target(lab=lab, id=study)


def _held_by(pid: int) -> set[Path]:
    """Return the folders in which a process has laid data."""
    return {path.parent for path in opened_by(pid) if path.name == ".held"}


def _wait_for(happens: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
