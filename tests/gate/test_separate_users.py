"""Two users: the gate's, who alone may read the vault, and the agent's, who can't and has a whole study run."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from counterproof.provenance.signing import public_line

from ..endpoint import Endpoint
from ..lab import KEY, OUTLIER, script, trial_csv

pytestmark = [
    pytest.mark.attack,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become two other users"),
]
GATE, AGENT, STRANGER = 64101, 64102, 64103
_HERE = Path(__file__).resolve().parents[2]
# Makes the interpreter reachable when it lies in a home folder that only root may enter.
_UNVEIL = """
set -e
kept=$1; prefix=$2; shift 2
mount -t tmpfs -o mode=755 tmpfs "$kept"; mkdir "$kept/prefix"; mount --bind "$prefix" "$kept/prefix"
mount -t tmpfs -o mode=755 tmpfs "/$(echo "$prefix" | cut -d/ -f2)"
mkdir -p "$prefix"; mount --bind "$kept/prefix" "$prefix"
exec "$@"
"""
_STUDY = """
import os, sys
from pathlib import Path
from counterproof.ui import environment
environment.clean()
from tests.lab import ADA, KEY
from counterproof.agents.models import ModelConfig
from counterproof.agents.study import new_study
from counterproof.provenance.policy import SINGLE_USER
from counterproof.provenance.reviewers import Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import public_line
from counterproof.ui.commands.new import entries_of
from counterproof.ui.common import workplace
from counterproof.ui.gates import open_gate
from counterproof.ui.running import runner

home, endpoint, gate_home = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
for path in (gate_home / 'vault', gate_home / 'keys' / 'vault.key', gate_home / 'store.sqlite'):
    try:
        os.stat(path)
        print('REACHED', path)
    except PermissionError:
        print('closed', path.name)
place = workplace(home)
person = Reviewer(id=ADA, name='Ada', roles=tuple(Role), public_key=public_line(KEY.public_key()))
place.registry.add(person, by='the test')
model = ModelConfig(model='made-up', base_url=endpoint, api_key_env='')
entered = entries_of(place, (), ('trial.csv',))
study = new_study(place, question='Do scores differ?', entered=entered, model=model, policy=SINGLE_USER)

def decide(opened, waiting):
    signer = KeySigner(key=KEY)
    given = {'reviewer': ADA, 'decision': 'approve', 'comment': 'Yes.', 'seen': waiting.subject}
    opened.checkpoints.decide(waiting.id, signer, **given)
    return True

print(runner(place, say=print).run(study, decide=decide))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that all users may enter."""
    made = Path(tempfile.mkdtemp(prefix="counterproof-users-"))
    made.chmod(0o755)
    for name, uid in (("gate", GATE), ("agent", AGENT), ("run", GATE)):
        (made / name).mkdir(mode=0o755 if name == "run" else 0o700)
        os.chown(made / name, uid, uid)
    (made / "trial.csv").write_bytes(trial_csv())
    yield made
    shutil.rmtree(made)


def test_the_agents_user_cant_read_the_vault_and_a_whole_study_runs(folder: Path) -> None:
    gate = str(folder / "gate")
    line = public_line(KEY.public_key())
    _ui(folder, GATE, "data", "add", str(folder / "trial.csv"), "--home", gate)
    _ui(folder, GATE, "reviewers", "add", "ada", "--name", "Ada", *_ROLES, "--public-key", line, "--home", gate)
    _ui(folder, GATE, "gate", "join", _installation(folder), "--home", gate)
    _agent_settings(folder)
    with _serving(folder), Endpoint(script()) as endpoint:
        done = _as(folder, AGENT, "-c", _STUDY, str(folder / "agent"), endpoint.base_url, gate)
        asked = _as(folder, STRANGER, "-c", _STRANGER, str(folder / "run" / "gate.sock"))
    lines = done.stdout.splitlines()
    assert lines[-1] == "done", done.stderr[-3000:]
    assert lines[:3] == ["closed vault", "closed vault.key", "closed store.sqlite"]
    assert asked.stdout.strip() == "The gate has ended."
    below = [path.read_bytes() for path in (folder / "agent").rglob("*") if path.is_file()]
    assert not any(trial_csv() in content for content in below)
    assert sum(OUTLIER.encode() in content for content in below) == 0
    kept = [path for path in (folder / "gate").rglob("*") if path.is_file()]
    assert not any(OUTLIER.encode() in path.read_bytes() for path in kept)


def test_a_reviewer_whom_the_gate_does_not_know_opens_nothing(folder: Path) -> None:
    _ui(folder, GATE, "data", "add", str(folder / "trial.csv"), "--home", str(folder / "gate"))
    _ui(folder, GATE, "gate", "join", _installation(folder), "--home", str(folder / "gate"))
    _agent_settings(folder)
    with _serving(folder), Endpoint(script()) as endpoint:
        done = _as(folder, AGENT, "-c", _STUDY, str(folder / "agent"), endpoint.base_url, str(folder / "gate"))
    assert "There is no active reviewer 'ada'" in done.stderr
    (record,) = (folder / "agent" / "studies").glob("*/record/events.jsonl")
    events = [json.loads(line) for line in record.read_bytes().splitlines()]
    assert {event["type"] for event in events if event["type"].startswith("gate.")} == {"gate.refused"}


def test_a_gate_does_not_serve_its_own_user(folder: Path) -> None:
    path = str(folder / "run" / "gate.sock")
    command = ["-m", "counterproof.ui", "gate", "serve", "--socket", path, "--allow", str(GATE)]
    done = _as(folder, GATE, *command, "--home", str(folder / "gate"))
    assert done.returncode == 2
    assert "Run it as a user of its own" in done.stderr


_ROLES = ("--role", "investigator", "--role", "statistician", "--role", "custodian")
_STRANGER = """
import os, socket, sys
from counterproof.sandbox.gate_client import GateClient
def dial():
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(sys.argv[1])
    return sock
try:
    print(GateClient(dial=dial, expected_uid=64101).entries())
except Exception as error:
    print(error.what)
"""


def _installation(folder: Path) -> str:
    """Return the name of the agent's installation, made by its user."""
    source = (
        "import sys; from pathlib import Path; from counterproof.agents.study import open_workplace; "
        "print(open_workplace(Path(sys.argv[1])).registry.installation())"
    )
    return _as(folder, AGENT, "-c", source, str(folder / "agent")).stdout.strip()


def _agent_settings(folder: Path) -> None:
    path = folder / "agent" / "gate.toml"
    path.write_text(f'socket = "{folder / "run" / "gate.sock"}"\nuser = "{GATE}"\n')
    path.chmod(0o644)


@contextmanager
def _serving(folder: Path) -> Iterator[None]:
    path = folder / "run" / "gate.sock"
    command = ["-m", "counterproof.ui", "gate", "serve", "--socket", str(path), "--allow", str(AGENT)]
    process = subprocess.Popen(
        _command(folder, GATE, *command, "--home", str(folder / "gate")),
        stderr=subprocess.PIPE,
        text=True,
        cwd=_HERE,
        env=_env(),
    )
    assert process.stderr is not None
    try:
        assert select.select([process.stderr], [], [], 60)[0]
        assert "The gate listens" in process.stderr.readline()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _ui(folder: Path, uid: int, *arguments: str) -> None:
    done = _as(folder, uid, "-m", "counterproof.ui", *arguments)
    assert done.returncode == 0, done.stderr


def _as(folder: Path, uid: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = _command(folder, uid, *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=_HERE, env=_env(), timeout=300)


def _command(folder: Path, uid: int, *arguments: str) -> list[str]:
    user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", sys.executable, *arguments]
    prefix = str(Path(sys.base_prefix).resolve())
    if all(parent.stat().st_mode & 0o001 for parent in Path(prefix).parents):
        return user
    kept = folder / f"kept-{uid}"
    kept.mkdir(exist_ok=True)
    return ["unshare", "-m", "sh", "-c", _UNVEIL, "sh", str(kept), prefix, *user]


def _env() -> dict[str, str]:
    path = os.pathsep.join(item for item in (str(_HERE / ".links"), os.environ.get("PYTHONPATH", "")) if item)
    return {"PATH": os.defpath, "PYTHONPATH": path, "HOME": "/nonexistent"}
