"""CDISC define.xml, versions 1.0 to 2.1 (on ODM 1.2 and 1.3): the variables of each data set with their code lists.

The file is somebody else's: no document type, no entity and nothing of the network is read. Value-level metadata
(`ValueListDef`) and methods are left out.

Source: CDISC Define-XML 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from counterproof.provenance.errors import UsageError
from counterproof.tools.codebooks.variable import Variable, check_distinct, make_variable


def read_define(name: str, data: bytes) -> tuple[Variable, ...]:
    """Read a define.xml.

    Raises:
        UsageError: it is no XML, has a document type, is no define.xml, or points at something that is not in it.
    """
    root = _root(name, data)
    if _local(root) != "ODM":
        raise UsageError(
            f"{name}, line {root.sourceline}: the root is {_local(root)!r}.",
            allowed="A define.xml has the root 'ODM'.",
            advice="Give the define.xml of the submission, or another form of codebook.",
        )
    parts = _Parts(name, root)
    return check_distinct(name, parts.variables())


def _root(name: str, data: bytes) -> Any:
    if b"<!DOCTYPE" in data:
        raise _document_type(name)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{name}, line {line}" if line else name
        raise UsageError(
            f"{where}: it is no well-formed XML ({str(error).partition(', line')[0]}).",
            advice="Copy the file again; one that ends within a line is cut off.",
        ) from error
    if root.getroottree().docinfo.doctype:  # in another encoding
        raise _document_type(name)
    return root


def _document_type(name: str) -> UsageError:
    return UsageError(
        f"{name} has a document type, which may define entities.",
        allowed="A define.xml without a DOCTYPE line.",
        advice="Take the line out.",
    )


class _Parts:
    """The definitions of a define.xml by their OIDs."""

    def __init__(self, name: str, root: Any) -> None:
        self._name = name
        self._found: dict[str, dict[str, Any]] = {}
        for kind in ("ItemDef", "CodeList", "MeasurementUnit"):
            self._found[kind] = {one.get("OID"): one for one in _all(root, kind)}
        self._groups = list(_all(root, "ItemGroupDef"))

    def variables(self) -> Iterator[tuple[int, Variable]]:
        """Give the variables of each data set with their lines."""
        for group in self._groups:
            for ref in _all(group, "ItemRef"):
                item = self._get("ItemDef", ref.get("ItemOID"), ref)
                yield item.sourceline or 0, self._variable(item, group.get("Name") or "")

    def _get(self, kind: str, oid: str | None, ref: Any) -> Any:
        try:
            return self._found[kind][oid or ""]
        except KeyError as error:
            raise UsageError(
                f"{self._name}, line {ref.sourceline}: {_local(ref)} names the {kind} {oid!r}, which is not there.",
                advice="The file is not whole: take the one that was submitted.",
            ) from error

    def _variable(self, item: Any, dataset: str) -> Variable:
        levels: dict[str, str] = {}
        for ref in _all(item, "CodeListRef"):
            levels |= _levels(self._get("CodeList", ref.get("CodeListOID"), ref))
        units = [self._get("MeasurementUnit", ref.get("MeasurementUnitOID"), ref) for ref in _refs(item)]
        return make_variable(
            name=item.get("Name") or item.get("OID") or "",
            dataset=dataset,
            label=_any_label(item),
            type_=item.get("DataType") or "",
            unit=" or ".join(_text(one) or one.get("Name") or "" for one in units),
            levels=levels,
        )


def _refs(item: Any) -> Iterator[Any]:
    return _all(item, "MeasurementUnitRef")


def _levels(codes: Any) -> dict[str, str]:
    return {
        one.get("CodedValue") or "": _text(one)
        for kind in ("CodeListItem", "EnumeratedItem")
        for one in _all(codes, kind)
    }


def _any_label(item: Any) -> str:
    """Return a label: an element of its own since 2.0, an attribute before."""
    described = next((_text(one) for one in _all(item, "Description")), "")
    return described or next((value for key, value in item.attrib.items() if etree.QName(key).localname == "Label"), "")


def _text(element: Any) -> str:
    """Return the first text that stands in an element, translated or not."""
    return next((part.strip() for part in element.itertext() if part.strip()), "")


def _all(element: Any, kind: str) -> Iterator[Any]:
    return (one for one in element.iter(f"{{*}}{kind}"))


def _local(element: Any) -> str:
    return str(etree.QName(element).localname)
