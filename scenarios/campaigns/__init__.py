"""Campaigns that come with Counterproof, their tasks, and the scripts that play models in them."""

from __future__ import annotations

from pathlib import Path

from counterproof.provenance.errors import UsageError

ROOT = Path(__file__).parent


def campaign_path(name: str) -> Path:
    """Return a campaign's file: a path, or one of ours by its name, also written as `campaigns/NAME.toml`.

    Raises:
        UsageError: there is neither.
    """
    given = Path(name)
    own = ROOT / f"{given.name.removesuffix('.toml')}.toml"
    if given.is_file():
        return given
    if own.is_file() and given.parent in (Path(), Path("campaigns")):
        return own
    known = ", ".join(sorted(path.stem for path in ROOT.glob("*.toml")))
    raise UsageError(f"There is no campaign {name}.", allowed=f"A file, or one of ours: {known}.")
