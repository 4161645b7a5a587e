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


def test_last_digits_that_processors_disagree_on_do_not_reach_a_prompt() -> None:
    here = {"value": 2.021943573667716, "n": 228, "p": [4.4963766183685035e-297, None, 228.0], "id": "2.0219435"}
    there = {"value": 2.0219435736677163, "n": 228, "p": [4.496376619185456e-297, None, 228.0], "id": "2.0219435"}
    assert (
        prompts.few_digits(here)
        == prompts.few_digits(there)
        == {**here, "value": 2.0219, "p": [4.4964e-297, None, 228.0]}
    )
