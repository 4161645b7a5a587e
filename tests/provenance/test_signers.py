"""Signers: a key that is open here, and an agent that gives no answer."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.signers import AgentSigner, KeySigner
from counterproof.provenance.signing import DECISION_NAMESPACE, load_key, make_key, verify

from ..tokens import SoftwareToken, ssh_add, ssh_agent, token_agent

SIGNER = KeySigner(key=Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def test_a_key_signer_signs_and_shows_no_key() -> None:
    verify(SIGNER.public_line, b"x", SIGNER.sign(b"x", namespace=DECISION_NAMESPACE), namespace=DECISION_NAMESPACE)
    assert "Ed25519PrivateKey" not in repr(SIGNER)


def test_the_real_agent_gives_the_very_bytes_of_a_key_file(tmp_path: Path) -> None:
    line = make_key(tmp_path / "key", passphrase=None, comment="ada").rpartition(" ")[0]
    with ssh_agent() as path:
        ssh_add(path, str(tmp_path / "key"))
        signer = AgentSigner(public_line=line, socket=path, search_path=os.environ["PATH"])
        signature = signer.sign(b"\x00data\n", namespace=DECISION_NAMESPACE)
    from_file = KeySigner(key=load_key(tmp_path / "key", passphrase=None))
    assert signature == from_file.sign(b"\x00data\n", namespace=DECISION_NAMESPACE)


def test_a_token_behind_an_agent_signs() -> None:
    token = SoftwareToken(application=b"ssh:counterproof")
    with token_agent(token) as path:
        signer = AgentSigner(public_line=token.public_line, socket=path, search_path=os.environ["PATH"])
        signature = signer.sign(b"data", namespace=DECISION_NAMESPACE)
    assert signature == token.sign(b"data", namespace=DECISION_NAMESPACE)
    verify(token.public_line, b"data", signature, namespace=DECISION_NAMESPACE)


def test_an_agent_that_never_answers_is_given_up(tmp_path: Path) -> None:
    path = str(tmp_path / "agent")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        signer = AgentSigner(public_line=SIGNER.public_line, socket=path, search_path=os.environ["PATH"], timeout_s=0.5)
        with pytest.raises(MachineTrouble, match=r"no answer to ssh-add within 0\.5 s\. Nothing was signed"):
            signer.sign(b"data", namespace=DECISION_NAMESPACE)
