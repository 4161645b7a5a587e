"""A terminal of a test: the command line in this process, or the installed script as a process of its own.

`run` calls the real entry point `main` with its own arguments, streams and environment; it is quick, because the
libraries are imported once. `process` is the console script as a shell would start it.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from counterproof.ui.cli import main

from ..lab import trial_csv

SCRIPT = Path(sys.executable).with_name("counterproof")
ROLES = ("--role", "investigator", "--role", "statistician", "--role", "custodian")
PASSPHRASE = "a passphrase for tests"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


@dataclass(kw_only=True)
class Terminal:
    """One person's terminal, with a store of its own.

    Attributes:
        folder: holds the store and the person's files.
        env: variables beside PATH; changed by tests.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=lambda: {"COUNTERPROOF_PASSPHRASE": PASSPHRASE})

    @property
    def home(self) -> Path:
        """The store."""
        return self.folder / "home"

    def environ(self, changed: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a command; nothing of the machine's but PATH."""
        own = {"PATH": os.environ["PATH"], "COUNTERPROOF_HOME": str(self.home)}
        return {**own, **self.env, **(changed or {})}

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
        """Run a command in this process."""
        buffers = io.BytesIO(), io.BytesIO()
        streams = [io.TextIOWrapper(buffer, encoding="utf-8", write_through=True) for buffer in buffers]
        with (
            patch.dict(os.environ, self.environ(env), clear=True),
            patch.object(sys, "argv", ["counterproof", *arguments]),
            patch.object(sys, "stdin", io.StringIO()),
            patch.object(sys, "stdout", streams[0]),
            patch.object(sys, "stderr", streams[1]),
        ):
            code = 0
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        out, err = (buffer.getvalue().decode() for buffer in buffers)
        return Ended(code=code, out=out, err=err)

    def ok(self, *arguments: str) -> Ended:
        """Run a command that must end with 0."""
        ended = self.run(*arguments)
        assert ended.code == 0, ended.err
        return ended

    def process(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
        """Run the installed script."""
        with self.started(*arguments, env=env) as process:
            out, err = process.communicate(timeout=120)
        return Ended(code=process.returncode, out=out, err=err)

    @contextmanager
    def started(self, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """Start the installed script in a session of its own, as a terminal does; killed when the block is left."""
        process = subprocess.Popen(
            [SCRIPT, *arguments],
            env=self.environ(env),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            # Whoever runs the tests in the background has SIGINT ignored, which a child would inherit.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def file(self, name: str, content: bytes) -> str:
        """Write a file and return its path."""
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def reviewer(self, reviewer: str, *roles: str) -> None:
        """Add a reviewer with a key that has the passphrase."""
        self.ok("reviewers", "add", reviewer, "--name", reviewer.title(), *(roles or ROLES))

    def new(self, base_url: str, *options: str, question: str = "Do scores differ between the arms?") -> str:
        """Make the study of the made-up trial and return its id."""
        data = self.file("trial.csv", trial_csv())
        model = ("--model", "made-up", "--base-url", base_url, "--api-key-env", "")
        return self.ok("new", "--single-user", "--data", data, "--question", question, *model, *options).out.strip()

    def waiting(self, base_url: str, *options: str) -> tuple[str, str]:
        """Make a study, run it, and return its id and that of the plan checkpoint."""
        study = self.new(base_url, *options)
        assert self.run("run", study).code == 3
        return study, f"{study}.plan.1"

    def decide(self, checkpoint: str, decision: str = "approve", *options: str, by: str = "ada") -> Ended:
        """Decide a checkpoint."""
        return self.run("decide", checkpoint, decision, "--as", by, "--comment", "Looked at it.", *options)

    def to_the_end(self, base_url: str, *options: str) -> str:
        """Make a study, approve everything, and return its id."""
        self.reviewer("ada")
        study = self.new(base_url, *options)
        for kind in ("plan", "code", "release", "signoff"):
            assert self.run("run", study).code == 3
            assert self.decide(f"{study}.{kind}.1").code == 0
        self.ok("run", study)
        return study
