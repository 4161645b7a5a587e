"""What signs a decision: a key that is open in this process, or a key that ssh-agent holds.

`Signer` is the whole contract. `AgentSigner` has OpenSSH's own `ssh-keygen -Y sign` ask the agent, so a private key in
a file, in the agent or in a hardware token behind it never comes to Counterproof. Only the bytes of one statement are
handed over; who relies on the signature checks it against the registered key (`decisions.check_decision`).

It does not cover starting an agent, adding keys to it, or asking for PIN and touch: the agent does that. Nor can it
tell whether a person or a program used the agent: `ssh-add -c` has it ask each time, and a hardware key needs a touch.

Source: ssh-keygen(1), ssh-add(1); messages as of OpenSSH 9.2.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.hardware_keys import HARDWARE_TYPE
from counterproof.provenance.signing import fingerprint, public_line, sign

_OPENSSH = "OpenSSH 8.1 or newer"
_START = "Start one with `eval $(ssh-agent)`, add the key with `ssh-add`, or sign with a key file (--key)."
_NO_SUCH_OPTION = ("unknown option", "illegal option", "invalid option")
_NOT_REACHED = 2
"""Exit code of `ssh-add -L` where there is no agent; 1 is an agent that has no keys, or is locked."""


class Signer(Protocol):
    """Signs with one key."""

    @property
    def public_line(self) -> str:
        """The public half of the key, without a comment."""
        ...

    def sign(self, data: bytes, *, namespace: str) -> bytes:
        """Return the armoured SSHSIG of `data` in `namespace`."""
        ...


@dataclass(frozen=True, kw_only=True, repr=False)
class KeySigner:
    """Signs with a private key that is open in this process.

    Attributes:
        key: the private key.
    """

    key: Ed25519PrivateKey

    @property
    def public_line(self) -> str:
        """The public half of the key."""
        return public_line(self.key.public_key())

    def sign(self, data: bytes, *, namespace: str) -> bytes:
        """Return the armoured SSHSIG of `data` in `namespace`."""
        return sign(self.key, data, namespace=namespace)


@dataclass(frozen=True, kw_only=True)
class AgentSigner:
    """Signs with a key that ssh-agent holds.

    Attributes:
        public_line: which key.
        socket: where the agent listens (`SSH_AUTH_SOCK`); "" where none is named.
        search_path: where `ssh-keygen` and `ssh-add` are looked for (`PATH`).
        timeout_s: how long to wait for touch, PIN or a confirmation.
    """

    public_line: str
    socket: str
    search_path: str
    timeout_s: float = 120

    def sign(self, data: bytes, *, namespace: str) -> bytes:
        """Return the armoured SSHSIG of `data` in `namespace`. It is not checked here.

        Raises:
            UsageError: no agent is named, or it does not hold the key, or the signature was refused there.
            MachineTrouble: the agent does not answer, or the programs of OpenSSH are missing, too old or too slow.
        """
        self._check_held()
        with tempfile.TemporaryDirectory(prefix="counterproof-") as folder:
            key = Path(folder, "key")
            key.touch(mode=0o600)
            key.write_text(self.public_line + "\n", encoding="ascii")
            done = self._run(["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(key)], data)
        if done.returncode == 0:
            return done.stdout
        said = _text(done.stderr)
        if any(words in said for words in _NO_SUCH_OPTION):
            raise MachineTrouble(
                f"ssh-keygen on this machine can't sign: {said.splitlines()[0]}.",
                allowed=f"Needed is {_OPENSSH} (8.2 for hardware keys).",
                advice="Install it, or sign with a key file (--key).",
            )
        hardware = self.public_line.startswith(HARDWARE_TYPE.decode())
        raise UsageError(
            f"The agent did not sign with {fingerprint(self.public_line)}: {said[-300:] or 'no reason was given'}.",
            allowed="Nothing was signed and nothing changed.",
            advice="Plug the hardware key in, decide again, type its PIN and touch it when it blinks."
            if hardware
            else "Decide again and confirm when the agent asks.",
        )

    def _check_held(self) -> None:
        """Refuse before anything is signed where the agent can't be reached or does not hold the key."""
        wanted = fingerprint(self.public_line)
        if not self.socket:
            raise UsageError(
                "There is no ssh-agent: SSH_AUTH_SOCK is not set.",
                advice=_START,
            )
        listed = self._run(["ssh-add", "-L"], b"")
        if listed.returncode == _NOT_REACHED:
            raise MachineTrouble(
                f"No ssh-agent answers at SSH_AUTH_SOCK={self.socket}: {_text(listed.stderr)}.",
                advice=_START,
            )
        held = (
            [" ".join(line.split()[:2]) for line in _text(listed.stdout).splitlines()] if not listed.returncode else []
        )
        if self.public_line not in held:
            raise UsageError(
                f"The ssh-agent does not hold {wanted}; it shows {len(held)} other keys.",
                allowed="A decision is signed with the key that is registered for the reviewer.",
                advice="Add it with `ssh-add KEYFILE`; if the agent is locked, unlock it with `ssh-add -X`.",
            )

    def _run(self, command: Sequence[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
        program = shutil.which(command[0], path=self.search_path)
        if program is None:
            raise MachineTrouble(
                f"The program {command[0]} is not on the PATH {self.search_path!r}.",
                allowed=f"An agent is asked by {command[0]} of {_OPENSSH}.",
                advice="Install the OpenSSH client, or sign with a key file (--key).",
            )
        try:
            # A session of its own has no terminal, so nothing but the agent can ask for a passphrase.
            return subprocess.run(
                [program, *command[1:]],
                input=data,
                capture_output=True,
                check=False,
                env={"PATH": self.search_path, "SSH_AUTH_SOCK": self.socket, "LC_ALL": "C"},
                timeout=self.timeout_s,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise MachineTrouble(
                f"The ssh-agent gave no answer to {command[0]} within {self.timeout_s:g} s.",
                allowed="Nothing was signed and nothing changed.",
                advice="Decide again, and touch the hardware key or answer the agent in that time.",
            ) from error
        except OSError as error:
            raise MachineTrouble(
                f"{program} can't be started: {error}.", advice="Install the OpenSSH client anew."
            ) from error


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace").strip().rstrip(".")
