"""What a person set for a data file: what the model may see of it, who else may, and where suppression begins.

    metadata   the codebook, the suppressed profile and the twin; no number that was computed from the data (default)
    released   and the results that a person released
    rows       and rows of the file and what its programs printed in full: for open data, chosen by a person

Each level holds those before it. Whether a third party may see what leaves is another question, and has its own field.
Both stand in the first event of a study and never change.

It does not cover where the values come from: the command line and a policy fill these types.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Exposure = Literal["metadata", "released", "rows"]
"""What the model may see of a data file; see the head of this module."""
ThirdParties = Literal["forbidden", "model", "allowed"]
"""`forbidden`: only programs on this machine see anything of the file, a model among them. `model`: a hosted model may
see what the exposure allows. `allowed`: a remote sandbox may hold the file, too."""
EXPOSURES: tuple[Exposure, ...] = get_args(Exposure)
THIRD_PARTIES: tuple[ThirdParties, ...] = get_args(ThirdParties)
IN_WORDS: dict[Exposure, str] = {
    "metadata": "the model sees no row of the data, and no number that was computed from them",
    "released": "the model sees no row of the data, and of what was computed from them only what a person released",
    "rows": "the model sees rows of the data: a person declared them open",
}


@dataclass(frozen=True, kw_only=True)
class DataRules:
    """What a person set for one data file.

    Attributes:
        exposure: what the model may see.
        third_parties: who else may.
        subject: name of the column that tells persons apart; "" to go by the names of the columns.
    """

    exposure: Exposure = "metadata"
    third_parties: ThirdParties = "model"
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """Where suppression begins.

    Attributes:
        k: fewest persons behind anything that is shown.
        share_percent: shares are rounded to a multiple of this.
        relation_step: correlations are rounded to a multiple of this.
    """

    k: int = 10
    share_percent: int = 5
    relation_step: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what would suppress nothing."""
        if self.k < 2 or not 1 <= self.share_percent <= 50 or not 0.01 <= self.relation_step <= 0.5:
            raise ValueError(f"{self} is out of range: k >= 2, share_percent 1 to 50, relation_step 0.01 to 0.5")


def strictest(levels: Iterable[Exposure]) -> Exposure:
    """Return the level that shows least; `metadata` where there is none."""
    return min(levels, key=EXPOSURES.index, default="metadata")


def is_this_machine(host: str) -> bool:
    """Say whether a host of an address can only be this machine: `localhost`, or an address of the loopback."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
