"""Static checks of an R program, before anybody runs it: what a reviewer should look at first.

Splits the program into tokens (names, strings, brackets; comments are left out) and names the lines that reach for the
network, other processes, native or dynamic code, serialized objects, absolute paths, or the mark of the twin. It says
when a string or bracket is not closed, and when the program never reads its inputs.

It is not a security boundary: the sandbox is. It is no parser either: whether the program is valid R shows when it runs
on the twin, and a function that is called under another name (`f <- system`, `get("system")`, `do.call`) is found by
its name or string alone. A program without findings is not thereby right.

Source: R Language Definition, section 10 (parser).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from counterproof.tools.static import StaticFinding
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
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<raw>[rR](?P<quote>["'])(?P<dashes>-*)(?P<open>[(\[{]))
      | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<unclosed>["'])
      | (?P<quoted>`(?:\\.|[^`\\])*`)
      | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[Li]?)
      | (?P<name>(?:[^\W\d_]|\.(?!\d))[\w.]*)
      | (?P<space>\s+)
      | (?P<other>:::?|.)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {")": "(", "]": "[", "}": "{"}
_RAW_END = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, kw_only=True)
class _Token:
    kind: str
    text: str
    line: int


def check_r_program(code: str) -> list[StaticFinding]:
    """Return the findings of an R program, by line; empty when there is nothing to remark."""
    tokens = list(_tokens(code))
    found = [finding for at in range(len(tokens)) for finding in _look(tokens, at)]
    found += _unbalanced(tokens)
    for needed in ("COUNTERPROOF_DATA", "COUNTERPROOF_OUT"):
        if not any(token.kind == "string" and needed in token.text for token in tokens):
            found.append(StaticFinding(line=1, level="error", text=f"it never reads {needed}"))
    return sorted(set(found), key=lambda finding: (finding.line, finding.text))


def _tokens(code: str) -> Iterator[_Token]:
    """Yield names, strings (without their quotes) and signs; strings of R's raw form too."""
    at, line = 0, 1
    while at < len(code):
        match = _TOKEN.match(code, at)
        assert match is not None  # the last alternative takes any character
        kind, text, end = str(match.lastgroup), match.group(), match.end()
        if match.group("raw"):
            closing = _RAW_END[match["open"]] + match["dashes"] + match["quote"]
            stop = code.find(closing, end)
            kind, text, end = ("string", code[end:stop], stop + len(closing)) if stop >= 0 else ("unclosed", text, end)
        elif kind == "string":
            text = text[1:-1]
        elif kind == "quoted":
            kind, text = "name", text[1:-1]
        if kind not in ("comment", "space"):
            yield _Token(kind=kind, text=text, line=line)
        line += code.count("\n", at, end)
        at = end


def _look(tokens: list[_Token], at: int) -> list[StaticFinding]:
    token = tokens[at]
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    before = tokens[at - 1].text if at else ""
    texts: list[str] = []
    if token.kind == "name":
        label = _CALLED.get(token.text, "")
        # Without a bracket it may be a column: `data$url`, `list(save = 1)`.
        if label and before not in ("$", "@") and after == "(":
            texts.append(f"{label}: {token.text}()")
        elif label in ("other processes", "native code") and before not in ("$", "@") and after != "=":
            texts.append(f"{label}: {token.text}")
        if token.text in _PACKAGES and (after in ("::", ":::") or _attached(tokens, at)):
            texts.append(f"{_PACKAGES[token.text]}: uses {token.text}")
        if token.text == MARK:
            texts.append(_mark())
    elif token.kind == "string":
        if MARK in token.text:
            texts.append(_mark())
        if _PATH.fullmatch(token.text):
            texts.append(f"absolute path: {token.text[:60]!r}")
        if re.match(r"(?:https?|ftp)://", token.text):
            texts.append(f"network: {token.text[:60]!r}")
        if token.text in _PACKAGES and _attached(tokens, at):
            texts.append(f"{_PACKAGES[token.text]}: uses {token.text}")
        if (
            token.text in _CALLED
            and before == "("
            and at > 1
            and tokens[at - 2].text in ("get", "do.call", "match.fun")
        ):
            texts.append(f"{_CALLED[token.text]}: {token.text} by its name")
    return [StaticFinding(line=token.line, level="look", text=text) for text in texts]


def _attached(tokens: list[_Token], at: int) -> bool:
    return at > 1 and tokens[at - 1].text == "(" and tokens[at - 2].text in _ATTACH


def _mark() -> str:
    return f"reads the mark of the twin ({MARK}), which real data don't have"


def _unbalanced(tokens: list[_Token]) -> list[StaticFinding]:
    """Return the first string or bracket that is not closed or not opened."""
    waiting: list[_Token] = []
    for token in tokens:
        if token.kind == "unclosed":
            return [_does_not_parse(token, "a string is not closed")]
        if token.kind == "other" and token.text in "([{":
            waiting.append(token)
        elif token.kind == "other" and token.text in _CLOSING:
            if not waiting or waiting[-1].text != _CLOSING[token.text]:
                return [_does_not_parse(token, f"{token.text!r} closes nothing")]
            waiting.pop()
    return [_does_not_parse(waiting[-1], f"{waiting[-1].text!r} is not closed")] if waiting else []


def _does_not_parse(token: _Token, why: str) -> StaticFinding:
    return StaticFinding(line=token.line, level="error", text=f"it does not parse: {why}")
