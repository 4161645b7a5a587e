"""Check: the program gives the same bytes when it runs again."""

from __future__ import annotations

from counterproof.tools.checks.verdict import Check, Observation, judged, not_applicable

_ID = "determinism"
_TITLE = "Does the program give the same when it runs again?"


def check_determinism(results_sha256: str, observation: Observation | None) -> Check:
    """Fail where the observed second run of the program wrote another `results.json`, or none, than the first.

    Not for programs that are not in Python: the second run is the one under observation.

    References
    ----------
    National Academies of Sciences, Engineering, and Medicine. Reproducibility and Replicability in Science. 2019.
    doi:10.17226/25303
    """
    if observation is None or not (observation.results_sha256 or observation.error):
        return not_applicable(_ID, _TITLE, "the program was not run a second time")
    fail = []
    if observation.error:
        fail.append(f"the second run ended with {observation.error}")
    elif observation.results_sha256 != results_sha256:
        fail.append("the second run wrote another results.json")
    return judged(_ID, _TITLE, fail=fail, warn=[], looked_at="two runs, the same results.json")
