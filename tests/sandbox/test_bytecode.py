"""Scripts of ours that an interpreter takes as bytecode."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from counterproof.sandbox import Environment, ExecutionSpec
from counterproof.sandbox._bytecode import bytecode
from counterproof.sandbox._profile import SHIM, Runtime, files_of

_SCRIPT = b"import sys\nprint(__name__, sys.argv[1:], __doc__)\n"


def test_a_script_as_bytecode_runs_as_its_source_does(tmp_path: Path) -> None:
    told = []
    for name, code in (("source.py", _SCRIPT), ("bytecode.py", bytecode(_SCRIPT, "source.py"))):
        (tmp_path / name).write_bytes(code)
        command = [sys.executable, "-I", "-S", str(tmp_path / name), "7"]
        told.append(subprocess.run(command, capture_output=True, check=True).stdout)
    assert told == [b"__main__ ['7'] None\n"] * 2


def test_the_shim_is_bytecode_for_this_interpreter_only(environment: Environment) -> None:
    spec, own = ExecutionSpec(program=b"1", environment=environment), Runtime.bare()
    other = replace(own, executable=own.executable.with_name("python-of-another-version"))
    shims = [files_of(runtime, spec, {})["/opt/counterproof/shim.py"] for runtime in (own, other)]
    assert shims == [bytecode(SHIM.read_bytes(), "/opt/counterproof/shim.py"), SHIM.read_bytes()]
    assert shims[0] != shims[1]
