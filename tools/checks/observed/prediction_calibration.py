"""Check: predicted probabilities are as large as the outcomes that follow."""

from __future__ import annotations

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_calibration(seen: Seen) -> Finding:
    """Do predicted probabilities agree with the outcomes, on the whole?

    For every set of predictions between 0 and 1 that the program scores against labels: the mean prediction against the
    share of outcomes. Fails where they differ by more than 0.1 and four standard errors; at least 30 predictions.

    Not for scores that are no probabilities, nor a replacement for a calibration curve.

    References
    ----------
    Van Calster B, et al. Calibration: the Achilles heel of predictive analytics. BMC Med 2019;17:230.
    doi:10.1186/s12916-019-1466-7
    """
    about = ("calibration", "Are predicted probabilities as large as the outcomes?")
    fail, looked = [], 0
    for score in seen.scored:
        truth, guess = score.truth, score.guess
        levels = set(np.unique(truth).tolist())
        if guess.ndim != 1 or len(guess) < 30 or not levels <= {0, 1} or guess.dtype.kind != "f":
            continue
        if guess.min() < 0 or guess.max() > 1 or set(np.unique(guess)) <= {0.0, 1.0}:
            continue
        looked += 1
        gap = float(guess.mean() - truth.mean())
        error = float(np.sqrt(max(np.mean(guess * (1 - guess)), 1e-9) / len(guess)))
        if abs(gap) > 0.1 and abs(gap) > 4 * error:
            fail.append(
                f"line {score.line}: mean prediction {guess.mean():.2f}, and {truth.mean():.2f} had the outcome"
            )
    if not looked:
        return not_applicable(*about, "no predicted probabilities are scored")
    return judged(*about, fail=list(dict.fromkeys(fail)), looked_at=f"{looked} sets of predictions")
