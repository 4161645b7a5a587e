"""Prompts: each says its version and reason, and neither is sent."""

from __future__ import annotations

from pathlib import Path
from string import Template

import pytest

from counterproof.agents import prompts

NAMES = sorted(path.stem for path in Path(prompts.__file__).parent.glob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_prompt_has_a_version_and_a_reason_that_are_not_sent(name: str) -> None:
    parts = dict.fromkeys(_parts(name), "x")
    assert prompts.version(name) >= 1
    assert not {"<!--", "-->"} & set(prompts.fill(name, **parts).split())


def _parts(name: str) -> list[str]:
    return Template(Path(prompts.__file__).with_name(f"{name}.md").read_text()).get_identifiers()


def test_a_part_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="packages"):
        prompts.fill("programmer")
