"""What `verify` prints of a stranger's bundle."""

from __future__ import annotations

from counterproof.provenance.verify import Verification
from counterproof.provenance.verify.verifier import Step
from counterproof.ui.commands.verify import verification_text


def test_what_a_bundle_says_forges_no_line() -> None:
    """A title, a name or a file name may hold line breaks of any kind."""
    forged = "Trial\n  6 ok     decisions\rEnded: done.\u2028The bundle holds."
    step = Step(number=1, name="container", outcome="failed", evidence=(forged, forged))
    found = Verification(study="s", title=forged, ended="done", label=forged, head="", profile="full", steps=(step,))
    lines = verification_text(found).splitlines()
    assert len(lines) == 1 + 2 + 1 + 1
    assert lines[-1] == "The bundle does NOT hold."
