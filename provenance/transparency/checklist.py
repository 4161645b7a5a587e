"""The merged checklist as data: what is asked, by which guideline, and where the answer comes from.

Read from `checklist.toml`, which holds texts in our own words. `checked` is false where a guideline's own text was not
read whole when the list was made; renderers say so.

It does not cover answers (`answers`) nor evidence (`evidence`).
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["auto", "human", "both"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(_Model):
    """A part of the checklist."""

    id: str = Field(pattern=r"^[A-Z]$")
    """One letter; the items of the section begin with it."""
    name: str
    """What it is about."""


class Source(_Model):
    """A guideline or rule."""

    id: str
    """Short name."""
    name: str
    """Title, and where it was published."""
    date: str
    """When that version was published: year, or year and month."""
    checked: bool
    """Whether its own text was read for this list; else item numbers are recalled from memory."""
    url: str = ""
    """Where it can be read; may be empty."""


class SourceItem(_Model):
    """Where in a guideline an item comes from."""

    source: str
    """Id of the source."""
    item: str = ""
    """Number of its item; empty where that is not known."""
    checked: bool
    """Whether that was checked against the source's own text."""


class ChecklistItem(_Model):
    """One thing to be said."""

    id: str = Field(pattern=r"^[A-Z][0-9]+$")
    """Letter of the section and a number."""
    kind: Kind
    """Filled from the record, asked from a person, or both."""
    text: str
    """What is asked, in our own words."""
    query: str = ""
    """Name of the function that looks for evidence in the record; empty for `human`."""
    question: str = ""
    """What a person is asked; empty for `auto`."""
    sources: tuple[SourceItem, ...] = Field(min_length=1)
    """Who asks it."""

    @model_validator(mode="after")
    def _consistent(self) -> ChecklistItem:
        if bool(self.query) != (self.kind != "human") or bool(self.question) != (self.kind != "auto"):
            raise ValueError(f"{self.id}: an item of the kind {self.kind!r} has the wrong of query and question")
        return self


class Checklist(_Model):
    """The whole list."""

    checklist: Literal["counterproof/checklist/1"]
    """Form of the file."""
    as_of: str
    """When the list was made: year and month."""
    section: tuple[Section, ...] = Field(min_length=1)
    """The sections, in their order."""
    source: tuple[Source, ...] = Field(min_length=1)
    """The guidelines."""
    item: tuple[ChecklistItem, ...] = Field(min_length=1)
    """The items, in their order."""

    @model_validator(mode="after")
    def _references(self) -> Checklist:
        ids = [item.id for item in self.item]
        if len(set(ids)) != len(ids):
            raise ValueError("an item's id is used twice")
        sources = {source.id: source for source in self.source}
        for item in self.item:
            for named in item.sources:
                if named.source not in sources:
                    raise ValueError(f"{item.id} names the source {named.source!r}, which the list does not have")
                if named.checked and not sources[named.source].checked:
                    raise ValueError(f"{item.id}: {named.source} was not read, so its item can't have been checked")
        return self


@cache
def load_checklist() -> Checklist:
    """Return the checklist that comes with this version."""
    text = files("counterproof.provenance.transparency").joinpath("checklist.toml").read_text(encoding="utf-8")
    return Checklist.model_validate(tomllib.loads(text))
