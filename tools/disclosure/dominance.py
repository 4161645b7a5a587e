"""Dominance: a sum or mean to which one or two persons give nearly all tells what they gave.

Definition. With the contributions of a cell ascending, x_1 <= … <= x_N and their sum X:

- (n, k): the cell is unsafe where the n largest make up at least the share k of X;
- p %: the cell is unsafe where X - x_N - x_(N-1) < p · x_N, for then the second largest can work the largest out to
  within p.

Neither is defined with negative contributions; such a cell is for a person to look at.

References
----------
Hundepool et al., Statistical Disclosure Control, Wiley, 2012, https://doi.org/10.1002/9781118348239, chapter 4; ACRO's
`NKCheck` and `PPercentCheck`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterproof.tools.disclosure.item import DisclosureFinding

CHECK = "dominance"
NK_N, NK_K, P = 2, 0.9, 0.1


def is_nk_dominated(values: NDArray[np.float64], *, n: int = NK_N, k: float = NK_K) -> bool:
    """Say whether the n largest contributions make up at least the share k.

    Parameters
    ----------
    values : ndarray of float64, shape (contributors,)
        Contributions, not negative, none missing.
    n, k : int, float
        The rule's parameters.
    """
    total = float(values.sum())
    return total > 0 and float(np.sort(values)[-n:].sum()) / total >= k


def is_p_dominated(values: NDArray[np.float64], *, p: float = P) -> bool:
    """Say whether the second largest contributor can work the largest out to within the share p.

    Parameters
    ----------
    values : ndarray of float64, shape (contributors,)
        Contributions, not negative, none missing.
    p : float
        The rule's parameter.
    """
    largest = np.sort(values)
    return len(largest) > 0 and largest[-1] > 0 and float(largest[:-2].sum()) / float(largest[-1]) < p


def in_cell(place: str, values: NDArray[np.float64]) -> list[DisclosureFinding]:
    """Look at the contributions behind one sum or mean."""
    if len(values) and values.min() < 0:
        return [DisclosureFinding(check=CHECK, text=f"{place}: negative contributions", suggestion="look")]
    rules = [
        *([f"the {NK_N} largest give at least {NK_K:.0%}"] if is_nk_dominated(values) else []),
        *([f"all but the 2 largest give less than {P:.0%} of the largest"] if is_p_dominated(values) else []),
    ]
    return [DisclosureFinding(check=CHECK, text=f"{place}: {rule}", suggestion="suppress") for rule in rules]
