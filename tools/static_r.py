"""Static checks of an R program, before anybody runs it: what a reviewer should look at first.

Reads the program's syntax tree (tree-sitter; comments are left out) and names the lines that reach for the network,
other processes, native or dynamic code, serialized objects, absolute paths, or the mark of the twin. It says where the
program does not parse, and when it never reads its inputs.

It is not a security boundary: the sandbox is. A function that is called under another name (`f <- system`,
`get("system")`, `do.call`) is found by its name or string alone. A program without findings is not thereby right.
"""

from __future__ import annotations

import re
from itertools import pairwise

from tree_sitter import Node, Tree

from counterproof.tools.static import StaticFinding
from counterproof.tools.static_facts import parse, text_of, walk
from counterproof.tools.twin import MARK

_CALLS = {
    "network": ("socketConnection", "socketSelect", "serverSocket", "url", "download.file", "browseURL", "nsl"),
    "other processes": ("system", "system2", "pipe", "mcparallel", "makeCluster", "makePSOCKcluster"),
    "native code": (".C", ".Call", ".External", ".Fortran", "dyn.load"),
    "dynamic code": ("eval", "evalq", "parse", "str2lang", "str2expression", "source", "sys.source", "get", "do.call"),
    "serialized objects": ("load", "readRDS", "saveRDS", "save", "save.image", "serialize", "unserialize"),
    "packages": ("install.packages", "update.packages", ".libPaths"),
    "reaches outside": ("setwd", "Sys.setenv", "unlink", "file.remove", "quit", "q"),
}
_CALLED = {name: label for label, names in _CALLS.items() for name in names}
_PACKAGES = {
    "httr": "network",
    "httr2": "network",
    "curl": "network",
    "RCurl": "network",
    "processx": "other processes",
    "callr": "other processes",
    "Rcpp": "native code",
    "inline": "native code",
    "reticulate": "other processes",
}
_ATTACH = ("library", "require", "requireNamespace", "loadNamespace", "attachNamespace")
# An absolute path, alone or behind a scheme; "/" alone is the division sign of a label.
_PATH = re.compile(r"(?:file:/*)?(?:/|~|[A-Za-z]:[\\/])[^\s]+")
_BY_NAME = ("get", "do.call", "match.fun")
_RAW = re.compile(r"[rR](['\"])(-*)[(\[{](.*)[)\]}]\2\1", re.DOTALL)


def check_r_program(code: str) -> list[StaticFinding]:
    """Return the findings of an R program, by line; empty when there is nothing to remark."""
    tree = parse(code, "r")
    found = [finding for node in walk(tree) for finding in _look(node)]
    found += _broken(tree, code)
    strings = [_content(node) for node in walk(tree) if node.type == "string"]
    for needed in ("COUNTERPROOF_DATA", "COUNTERPROOF_OUT"):
        if not any(needed in string for string in strings):
            found.append(StaticFinding(line=1, level="error", text=f"it never reads {needed}"))
    return sorted(set(found), key=lambda finding: (finding.line, finding.text))


def _look(node: Node) -> list[StaticFinding]:
    if node.type == "identifier":
        texts = _name(node)
    elif node.type == "string":
        texts = _string(node)
    else:
        return []
    return [StaticFinding(line=node.start_point[0] + 1, level="look", text=text) for text in texts]


def _name(node: Node) -> list[str]:
    name, parent = text_of(node).strip("`"), node.parent
    texts = [_mark()] if name == MARK else []
    if parent is None:
        return texts
    # The right side of `data$url` and the name in `list(save = 1)` are a column and a field.
    column = parent.type == "extract_operator" and node == parent.child_by_field_name("rhs")
    field = parent.type in ("argument", "parameter") and node == parent.child_by_field_name("name")
    if column or field:
        return texts
    label = _CALLED.get(name, "")
    if label and _is_called(node):
        texts.append(f"{label}: {name}()")
    elif label in ("other processes", "native code"):
        texts.append(f"{label}: {name}")
    package = parent.type == "namespace_operator" and node == parent.child_by_field_name("lhs")
    if name in _PACKAGES and (package or _argument_of(node) in _ATTACH):
        texts.append(f"{_PACKAGES[name]}: uses {name}")
    return texts


def _string(node: Node) -> list[str]:
    text, called = _content(node), _argument_of(node)
    parent = node.parent
    texts = []
    if (
        parent is not None
        and parent.type == "call"
        and node == parent.child_by_field_name("function")
        and text in _CALLED
    ):
        texts.append(f"{_CALLED[text]}: {text}()")
    if MARK in text:
        texts.append(_mark())
    if _PATH.fullmatch(text):
        texts.append(f"absolute path: {text[:60]!r}")
    if re.match(r"(?:https?|ftp)://", text):
        texts.append(f"network: {text[:60]!r}")
    if text in _PACKAGES and called in _ATTACH:
        texts.append(f"{_PACKAGES[text]}: uses {text}")
    if text in _CALLED and called in _BY_NAME:
        texts.append(f"{_CALLED[text]}: {text} by its name")
    return texts


def _content(node: Node) -> str:
    """Return what stands in a string, also in R's raw form."""
    text = text_of(node)
    raw = _RAW.fullmatch(text)
    return raw[3] if raw else text[1:-1]


def _is_called(node: Node) -> bool:
    parent = node.parent
    if parent is not None and parent.type == "namespace_operator" and node == parent.child_by_field_name("rhs"):
        node, parent = parent, parent.parent
    return parent is not None and parent.type == "call" and node == parent.child_by_field_name("function")


def _argument_of(node: Node) -> str:
    """Return the function of which a node is an argument; "" for none."""
    argument = node.parent
    if argument is None or argument.type != "argument" or argument.parent is None or argument.parent.parent is None:
        return ""
    function = text_of(argument.parent.parent.child_by_field_name("function"))
    return re.split(r":::?", function)[-1].strip("`")


def _mark() -> str:
    return f"reads the mark of the twin ({MARK}), which real data don't have"


def _broken(tree: Tree, code: str) -> list[StaticFinding]:
    """Return the first place at which the tree has an error; the grammar lets two expressions stand on one line."""
    for node in walk(tree):
        if node.is_missing or node.is_error:
            line = min(node.start_point[0] + 1, code.count("\n") + 1)
            why = f"{node.type!r} is missing" if node.is_missing else f"near {text_of(node).strip()[:40]!r}"
            return [StaticFinding(line=line, level="error", text=f"it does not parse: {why}")]
        if node.type in ("program", "braced_expression") and (second := _unseparated(node)) is not None:
            why = f"something is missing before {text_of(second)[:40]!r}"
            return [StaticFinding(line=second.start_point[0] + 1, level="error", text=f"it does not parse: {why}")]
    return []


def _unseparated(block: Node) -> Node | None:
    text, begin = block.text or b"", block.start_byte
    parts = [child for child in block.named_children if child.type != "comment"]
    for before, after in pairwise(parts):
        between = text[before.end_byte - begin : after.start_byte - begin]
        if b"\n" not in between and b";" not in between:
            return after
    return None
