"""Imports go one way: the table of DESIGN.md (*Folders and direction*), read from the source with `ast`.

1. A folder imports only what the table allows; nobody imports `tests`, and only `ui` imports `ui`.
2. Imports stand at the top of a module. Inside a function they carry a reason on the same line: `# lazy: …` in
   `ui/` and `sandbox/` (quick start-up) or `# extra: …` anywhere (an optional extra).
3. Nobody imports `langsmith`.
4. Only `ui/` reads the environment of the process.

Programs that run in a sandbox (`scenarios/*/authored/`) are data: they import nothing of ours, and they may read
the environment that the sandbox gives them; so may the interpreter that programs are forked from.

It does not cover modules that are named at run time by anything but a literal.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "provenance": set(),
    "sandbox": {"provenance"},
    "tools": {"sandbox", "provenance"},
    "agents": {"tools", "sandbox", "provenance"},
    "scenarios": {"agents", "tools", "sandbox", "provenance"},
    "ui": {"scenarios", "agents", "tools", "sandbox", "provenance"},
    "tests": {"ui", "scenarios", "agents", "tools", "sandbox", "provenance"},
}
_INSIDE_A_SANDBOX = {
    "sandbox/_program.py",
    "tools/checks/observed/_main.py",
    "tools/checks/observed/_watch.py",
}
_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}


@dataclass(frozen=True, kw_only=True)
class _Import:
    module: str
    line: int
    in_function: bool


def _files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def _is_program(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return parts[0] == "scenarios" and "authored" in parts


def _imports(source: str, package: str) -> list[_Import]:
    """Return all imports of a module that lives in `package`, relative ones made absolute."""
    tree = ast.parse(source)
    inside = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    return [
        _Import(module=module, line=node.lineno, in_function=id(node) in inside)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
        for module in _modules(node, package)
    ]


def _modules(node: ast.Import | ast.ImportFrom | ast.Call, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")
        base = ".".join(parents[: len(parents) + 1 - node.level]) if node.level else ""
        module = ".".join(part for part in (base, node.module) if part)
        yield from (f"{module}.{alias.name}" for alias in node.names)
    else:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0] if node.args else None
        if name in ("import_module", "__import__") and isinstance(first, ast.Constant):
            yield str(first.value)


def _folder_of(module: str) -> str:
    """Return which folder of ours a module belongs to, or nothing."""
    parts = module.split(".")
    if parts[0] == "counterproof":
        return parts[1] if len(parts) > 1 else "counterproof"
    return parts[0] if parts[0] in MAY_IMPORT else ""


def _wrong_way(source: str, folder: str, package: str) -> list[str]:
    allowed = MAY_IMPORT[folder] | {folder, ""}
    return [
        f"{found.line}: {folder} imports {found.module}"
        for found in _imports(source, package)
        if _folder_of(found.module) not in allowed
    ]


def _inside_functions(source: str, folder: str, package: str) -> list[str]:
    lines = source.splitlines()
    marks = ("# lazy: ", "# extra: ") if folder in ("ui", "sandbox", "tools") else ("# extra: ",)
    return [
        f"{found.line}: {found.module} is imported inside a function without a reason ({' or '.join(marks)})"
        for found in _imports(source, package)
        if found.in_function and not any(mark in lines[found.line - 1] for mark in marks)
    ]


def _langsmith(source: str, folder: str, package: str) -> list[str]:
    return [
        f"{found.line}: imports {found.module}"
        for found in _imports(source, package)
        if found.module.split(".")[0] == "langsmith"
    ]


def _environment_reads(source: str, folder: str, package: str) -> list[str]:
    found = [
        (node.lineno, f"os.{node.attr}")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in _ENVIRONMENT
        if isinstance(node.value, ast.Name) and node.value.id == "os"
    ]
    found += [
        (item.line, item.module)
        for item in _imports(source, package)
        if item.module in {f"os.{name}" for name in _ENVIRONMENT}
    ]
    return [f"{line}: reads {what}; only ui/ may: take the value as an argument" for line, what in found]


def _package(path: Path) -> str:
    parts = path.relative_to(ROOT).parent.parts
    return ".".join(parts if parts[0] == "tests" else ("counterproof", *parts))


RULES = {
    "direction": (_wrong_way, tuple(MAY_IMPORT)),
    "inside-functions": (_inside_functions, tuple(folder for folder in MAY_IMPORT if folder != "tests")),
    "langsmith": (_langsmith, tuple(MAY_IMPORT)),
    "environment": (_environment_reads, tuple(folder for folder in MAY_IMPORT if folder not in ("ui", "tests"))),
}


@pytest.mark.parametrize(("rule", "folder"), [(rule, folder) for rule in RULES for folder in RULES[rule][1]])
def test_folder_keeps_the_rule(rule: str, folder: str) -> None:
    check = RULES[rule][0]
    faults = [
        f"{path.relative_to(ROOT)}:{fault}"
        for path in _files(folder)
        if not _is_program(path)
        if not (rule == "environment" and path.relative_to(ROOT).as_posix() in _INSIDE_A_SANDBOX)
        for fault in check(path.read_text("utf-8"), folder, _package(path))
    ]
    assert not faults, "\n".join(faults)


def test_programs_import_nothing_of_ours() -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{found.line}: imports {found.module}"
        for path in _files("scenarios")
        if _is_program(path)
        for found in _imports(path.read_text("utf-8"), "")
        if _folder_of(found.module)
    ]
    assert not faults, "\n".join(faults)


def test_the_table_names_every_folder_with_python_files() -> None:
    folders = {path.parent.name for path in ROOT.glob("[a-z]*/*.py")} - {"build", "dist", "docs"}
    assert {"provenance", "tests"} <= folders <= set(MAY_IMPORT)


# The rules find what they are for.


@pytest.mark.parametrize(
    ("folder", "source", "count"),
    [
        ("provenance", "import counterproof.sandbox.gate", 1),
        ("provenance", "from counterproof.tools import data, plan", 2),
        ("provenance", "from counterproof import agents", 1),
        ("provenance", "from ..sandbox import gate", 1),
        ("provenance", "from .. import ui", 1),
        ("provenance", "def f():\n    from counterproof.ui import cli", 1),
        ("provenance", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import counterproof.tools", 1),
        ("provenance", "import importlib\nimportlib.import_module('counterproof.ui.cli')", 1),
        ("provenance", "import sandbox", 1),
        ("provenance", "import tests.helpers", 1),
        ("scenarios", "from counterproof.ui import cli", 1),
        ("ui", "import tests.helpers", 1),
        ("provenance", "from counterproof.provenance import record\nfrom . import blobs\nimport json, toolsmith", 0),
        ("tools", "from counterproof.sandbox import gate\nfrom counterproof.provenance.record import Record", 0),
        ("ui", "import counterproof.agents.graph, counterproof.scenarios", 0),
    ],
)
def test_direction_is_found(folder: str, source: str, count: int) -> None:
    assert len(_wrong_way(source, folder, f"counterproof.{folder}")) == count


@pytest.mark.parametrize(
    ("folder", "line", "count"),
    [
        ("ui", "import pandas", 1),
        ("ui", "import pandas  # lazy: --help answers in 0.2 s", 0),
        ("tools", "import pandas  # lazy: --help answers in 0.2 s", 0),
        ("provenance", "import pandas  # lazy: --help answers in 0.2 s", 1),
        ("tools", "import e2b  # extra: counterproof[e2b]", 0),
    ],
)
def test_import_inside_a_function_is_found(folder: str, line: str, count: int) -> None:
    for head in ("def f():\n    ", "class A:\n  async def f(self):\n    "):
        assert len(_inside_functions(head + line, folder, f"counterproof.{folder}")) == count
    assert _inside_functions(f"try:\n    {line}\nfinally:\n    pass", folder, f"counterproof.{folder}") == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import os\nos.environ['A']", 1),
        ("import os\nos.getenv('A')", 1),
        ("from os import environ, getenv", 2),
        ("import os\nos.environ.pop('A')", 1),
        ("import os\nos.getpid()\nself.environ", 0),
    ],
)
def test_environment_read_is_found(source: str, count: int) -> None:
    assert len(_environment_reads(source, "tools", "counterproof.tools")) == count


@pytest.mark.parametrize("source", ["import langsmith", "from langsmith.run_trees import RunTree"])
def test_langsmith_is_found(source: str) -> None:
    assert len(_langsmith(source, "agents", "counterproof.agents")) == 1
