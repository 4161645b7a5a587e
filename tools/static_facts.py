"""What stands in a program's text, read with tree-sitter, the same for Python and R; nothing is executed.

The facts are flat: calls with their arguments as text, fields (dictionary entries, named list members), names that are
given a number, and numbers. What a call does at run time is not known here: a function under another name is found
under that name.

The grammars are in the wheel of `tree-sitter-language-pack` 0.x and load without a network; from 1.0 on that package
fetches them at first use, and is not used here for that reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tree_sitter import Node, Tree
from tree_sitter_language_pack import get_parser

from counterproof.sandbox import Language

_LOOPS = {
    "for_statement",
    "while_statement",
    "repeat_statement",
    "list_comprehension",
    "generator_expression",
    "dictionary_comprehension",
    "set_comprehension",
}
_R_LOOPS = {"sapply", "lapply", "vapply", "mapply", "Map", "apply", "replicate", "map", "map_dbl", "tapply"}
_ASSIGN = {"<-", "<<-", "=", "->", ":="}


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call as it stands in the text.

    Attributes:
        name: its function with dots (`stats.ttest_ind`, `survival::coxph`); arguments of calls before it are left out.
        last: the last part of the name.
        line: where it begins, from 1.
        args: positional arguments, as text.
        named: named arguments, as text.
        target: the name that its value, or what a chain of calls makes of it, is given to; "" where there is none.
        loop: whether it stands in a loop.
    """

    name: str
    last: str
    line: int
    args: tuple[str, ...]
    named: dict[str, str]
    target: str
    loop: bool


@dataclass(frozen=True, kw_only=True)
class Field:
    """A named value in a literal: `"value": 0.5` in Python, `value = 0.5` in a call of R's `list`."""

    key: str
    value: str
    number: float | None
    line: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that was read.

    Attributes:
        language: of the program.
        calls: in the order of the text.
        fields: likewise.
        given: names that are only ever given one number, with that number.
        numbers: every number.
        filters: conditions in square brackets, `query`, `filter`, `subset` or `drop`, with their lines.
        broken: line of the first syntax error; 0 where there is none.
    """

    language: Language
    calls: tuple[Call, ...]
    fields: tuple[Field, ...]
    given: dict[str, float]
    numbers: tuple[float, ...]
    filters: tuple[tuple[int, str], ...]
    broken: int

    def called(self, *names: str) -> list[Call]:
        """Return the calls whose last name is one of these."""
        return [call for call in self.calls if call.last in names]


def parse(code: str, language: Language) -> Tree:
    """Return the syntax tree of a text; broken text has a tree too, with errors in it."""
    return get_parser(language).parse(code.encode("utf-8", "surrogatepass"))


def walk(tree: Tree) -> Iterator[Node]:
    """Yield every node, in the order of the text; nesting of any depth is fine."""
    left = [tree.root_node]
    while left:
        node = left.pop()
        yield node
        left.extend(reversed(node.children))


def text_of(node: Node | None) -> str:
    """Return the text of a node; "" for none."""
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")


@lru_cache(maxsize=64)
def read_facts(code: str, language: Language) -> Facts:
    """Read a program."""
    tree = parse(code, language)
    calls: list[Call] = []
    fields: list[Field] = []
    numbers: list[float] = []
    filters: list[tuple[int, str]] = []
    assigned: dict[str, list[float | None]] = {}
    for node in walk(tree):
        kind = node.type
        if kind == "call":
            calls.append(_call(node, language))
            fields += _r_fields(node) if language == "r" else []
        elif kind == "pair":
            key = text_of(node.child_by_field_name("key")).strip("\"'")
            fields.append(_field(key, node.child_by_field_name("value")))
        elif kind in ("integer", "float"):
            number = _number(text_of(node))
            numbers += [number] if number is not None else []
        elif kind in ("subscript", "subset"):
            filters.append((node.start_point[0] + 1, text_of(node)))
        target, value = _assignment(node)
        if target:
            assigned.setdefault(target, []).append(_number(text_of(value)))
    given = {name: values[0] for name, values in assigned.items() if len(values) == 1 and values[0] is not None}
    filters += [
        (call.line, " ".join((*call.args, *call.named.values())))
        for call in calls
        if call.last in ("query", "filter", "subset", "drop")
    ]
    broken = next((node.start_point[0] + 1 for node in walk(tree) if node.is_error or node.is_missing), 0)
    return Facts(
        language=language,
        calls=tuple(calls),
        fields=tuple(fields),
        given=given,
        numbers=tuple(numbers),
        filters=tuple(filters),
        broken=broken,
    )


def _call(node: Node, language: Language) -> Call:
    name = _name(node.child_by_field_name("function"))
    args, named = [], {}
    arguments = node.child_by_field_name("arguments")
    for child in arguments.named_children if arguments is not None else ():
        if child.type in ("keyword_argument", "argument") and child.child_by_field_name("name") is not None:
            named[text_of(child.child_by_field_name("name"))] = text_of(child.child_by_field_name("value"))
        elif child.type not in ("comma", "comment"):
            args.append(text_of(child))
    return Call(
        name=name,
        last=_last(name, language),
        line=node.start_point[0] + 1,
        args=tuple(args),
        named=named,
        target=_target(node),
        loop=_in_loop(node, language),
    )


def _name(node: Node | None) -> str:
    parts: list[str] = []
    while node is not None:
        if node.type == "attribute":
            parts.append(text_of(node.child_by_field_name("attribute")))
            node = node.child_by_field_name("object")
        elif node.type == "call":
            node = node.child_by_field_name("function")
        elif node.type in ("subscript", "subset", "subset2"):
            node = node.child_by_field_name("value") or node.child_by_field_name("function")
        else:
            parts.append(text_of(node).strip("`") if node.type in _NAMES else "")
            node = None
    return ".".join(part for part in reversed(parts) if part)


_NAMES = ("identifier", "namespace_operator", "extract_operator", "dotted_name", "string")


def _last(name: str, language: Language) -> str:
    if language == "r":
        return re.split(r":::?|[$@]", name)[-1].strip("`\"'")
    return name.rpartition(".")[2]


def _target(node: Node) -> str:
    parent: Node | None = node.parent
    child: Node = node
    while parent is not None and parent.type in ("attribute", "call", "argument", "await", "extract_operator"):
        if parent.type == "argument" or (parent.type == "call" and child != parent.child_by_field_name("function")):
            return ""
        child, parent = parent, parent.parent
    target, value = _assignment(parent) if parent is not None else ("", None)
    return target if value == child else ""


def _assignment(node: Node) -> tuple[str, Node | None]:
    if node.type == "assignment":
        return text_of(node.child_by_field_name("left")), node.child_by_field_name("right")
    if node.type == "binary_operator" and text_of(node.child_by_field_name("operator")) in _ASSIGN:
        left, right = node.child_by_field_name("lhs"), node.child_by_field_name("rhs")
        if text_of(node.child_by_field_name("operator")) == "->":
            left, right = right, left
        return text_of(left), right
    return "", None


def _in_loop(node: Node, language: Language) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.type in _LOOPS:
            return True
        if (
            language == "r"
            and parent.type == "call"
            and _last(_name(parent.child_by_field_name("function")), language) in _R_LOOPS
        ):
            return True
        parent = parent.parent
    return False


def _r_fields(node: Node) -> list[Field]:
    arguments = node.child_by_field_name("arguments")
    if arguments is None:
        return []
    return [
        _field(text_of(child.child_by_field_name("name")), child.child_by_field_name("value"))
        for child in arguments.named_children
        if child.type == "argument" and child.child_by_field_name("name") is not None
    ]


def _field(key: str, value: Node | None) -> Field:
    text = text_of(value)
    return Field(key=key, value=text, number=_number(text), line=0 if value is None else value.start_point[0] + 1)


def _number(text: str) -> float | None:
    bare = text.replace("_", "").strip()
    wrapped = re.fullmatch(r"(?:float|int|np\.float64|as\.numeric)?\((.+)\)", bare)
    bare = wrapped[1].strip() if wrapped else bare
    try:
        return float(bare.rstrip("L")) if re.fullmatch(r"-?[\d.][\d.eE+-]*L?", bare) else None
    except ValueError:
        return None
