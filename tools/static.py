"""Static checks of a program, before anybody runs it: what a reviewer should look at first.

Reads the program as a syntax tree and names the lines that reach for the network, other processes, dynamic code,
pickles, absolute paths, or the mark of the twin, and says when it doesn't parse or never reads its inputs.

It is not a security boundary: the sandbox is. A program without findings is not thereby right.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal

from counterproof.tools.twin import MARK

_MODULES = {
    "socket": "network",
    "http": "network",
    "urllib": "network",
    "requests": "network",
    "httpx": "network",
    "subprocess": "other processes",
    "multiprocessing": "other processes",
    "ctypes": "native code",
    "pickle": "pickles",
    "joblib": "pickles",
    "shelve": "pickles",
    "importlib": "dynamic code",
}
_CALLS = {"eval": "dynamic code", "exec": "dynamic code", "__import__": "dynamic code", "compile": "dynamic code"}


@dataclass(frozen=True, kw_only=True)
class StaticFinding:
    """A line of a program that a reviewer should look at. `error` means that the program can't work as it is."""

    line: int
    level: Literal["error", "look"]
    text: str


def check_program(code: str) -> list[StaticFinding]:
    """Return the findings of a Python program, by line; empty when there is nothing to remark."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        # CPython 3.11 reports expressions that nest too deeply as MemoryError or RecursionError.
        line = getattr(error, "lineno", None) or 1
        return [
            StaticFinding(line=line, level="error", text=f"it does not parse: {str(error) or 'it nests too deeply'}")
        ]
    found = [finding for node in ast.walk(tree) for finding in _look(node)]
    for needed in ("COUNTERPROOF_DATA", "COUNTERPROOF_OUT"):
        if needed not in code:
            found.append(StaticFinding(line=1, level="error", text=f"it never reads {needed}"))
    return sorted(set(found), key=lambda finding: (finding.line, finding.text))


def _look(node: ast.AST) -> list[StaticFinding]:
    line = getattr(node, "lineno", 1)
    texts: list[str] = []
    if isinstance(node, ast.Import):
        texts = [_reach(alias.name) for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        texts = [_reach(node.module or "")]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        texts = [f"{_CALLS[node.func.id]}: {node.func.id}()"]
    elif isinstance(node, ast.Attribute) and node.attr in ("system", "popen", "read_pickle", "to_pickle"):
        texts = [f"reaches outside: .{node.attr}"]
    elif isinstance(node, ast.Attribute) and node.attr == MARK:
        texts = [_constant(MARK)]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        texts = [_constant(node.value)]
    return [StaticFinding(line=line, level="look", text=text) for text in texts if text]


def _reach(module: str) -> str:
    label = _MODULES.get(module.split(".")[0])
    return f"{label}: imports {module}" if label else ""


def _constant(text: str) -> str:
    if MARK in text:
        return f"reads the mark of the twin ({MARK}), which real data don't have"
    if text.startswith(("/", "~")) and len(text) > 1 and " " not in text and "\n" not in text:
        return f"absolute path: {text[:60]!r}"
    return ""
