"""A card tells: makers that are bad on purpose are caught by name, and sound ones stand between floor and ceiling."""

from __future__ import annotations

import numpy as np
import pytest

from counterproof.tools.synth.evaluation.controls import CONTROLS
from counterproof.tools.synth.evaluation.definitions import BY_ID, DEFINITIONS
from counterproof.tools.synth.makers import MAKERS

from .conftest import measure

pytestmark = pytest.mark.synthetic


@pytest.mark.parametrize("control", list(CONTROLS))
def test_a_bad_maker_is_caught_by_the_metric_that_is_named_for_it(control: str, name: str) -> None:
    caught_by = CONTROLS[control].caught_by
    assert measure(caught_by, control, name).verdict == "flag"
    assert measure(caught_by, "trees", name).verdict == "pass" or caught_by in _KNOWN.get(name, ())


_KNOWN = {"indo": ("privacy.exact_rows",)}
"""Where the default maker does not keep the limit either: 30 columns of yes and no, of which most are no."""


def test_each_control_is_named_in_the_definition_that_catches_it() -> None:
    for name, control in CONTROLS.items():
        assert BY_ID[control.caught_by].catches == f"a maker that {name}"


@pytest.mark.parametrize("maker", ["trees", "copula"])
def test_associations_lie_above_the_floor_and_not_above_the_ceiling(maker: str, name: str) -> None:
    kept = measure("fidelity.association_kept", maker, name)
    assert kept.value is not None
    assert kept.floor is not None
    assert kept.ceiling is not None
    assert kept.floor < kept.value
    # The hold-out is one sample among many: chance moves it by a tenth where it has a few dozen rows.
    assert kept.value < kept.ceiling + 0.15
    assert kept.floor < kept.ceiling


def test_the_maker_of_marginals_keeps_no_more_associations_than_the_floor(name: str) -> None:
    kept = [measure("fidelity.association_kept", "marginals", name, seed) for seed in (1, 2, 3)]
    # Chance moves a single one by a tenth: the floor is one shuffling.
    found = [one.value for one in kept if one.value is not None]
    assert len(found) == len(kept)
    assert float(np.mean(found)) == pytest.approx(kept[0].floor, abs=0.12)


@pytest.mark.parametrize("maker", list(MAKERS))
def test_no_maker_shows_a_rare_value_or_singles_anybody_out(maker: str, name: str) -> None:
    for id_ in ("privacy.rare_values", "privacy.singling_out"):
        found = measure(id_, maker, name)
        assert found.verdict == "pass" or (found.value is None and found.reason)


def test_a_copy_has_the_best_fidelity_and_the_worst_privacy() -> None:
    """What a fidelity score alone would choose."""
    marginals = measure("fidelity.marginals", "trees", "babies")
    assert marginals.copy_ is not None
    assert marginals.value is not None
    assert marginals.copy_ > marginals.value
    nearer = measure("privacy.nearer_to_training", "copies real rows", "babies")
    assert nearer.value is not None
    assert nearer.value > 0.75
    assert nearer.verdict == "flag"


def test_every_definition_says_what_it_is() -> None:
    for definition in DEFINITIONS:
        assert all((definition.formula, definition.library, definition.source, definition.range)), definition.id
        assert definition.limit.source
