"""Check: no single row carries the answer."""

from __future__ import annotations

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_influence(seen: Seen) -> Finding:
    """Does one row decide the sign or the significance of a coefficient?

    Cook's distance of linear models without robust or cluster errors. Fails where it passes 1 for a row and leaving
    that row out turns the sign of a coefficient or carries its p across 0.05; warns where it passes 1 alone.

    Not a reason to leave a row out: whether it is wrong has to be found out.

    References
    ----------
    Cook RD. Detection of influential observation in linear regression. Technometrics 1977;19:15. doi:10.2307/1268249
    """
    about = ("influence", "Does one row carry the answer?")
    models = [fit for fit in seen.fits if fit.kind == "ols" and fit.x.shape[1] and len(fit.y) > fit.x.shape[1] + 3]
    fail, warn = [], []
    for fit in models:
        distance = np.nan_to_num(fit.raw.get_influence().cooks_distance[0])
        if distance.max() <= 1:
            continue
        left = np.arange(len(distance)) != int(distance.argmax())
        again = type(fit.raw.model)(fit.raw.model.endog[left], fit.raw.model.exog[left]).fit()
        before, after = np.asarray(fit.raw.params), np.asarray(again.params)
        crossed = (np.asarray(fit.raw.pvalues) < 0.05) != (np.asarray(again.pvalues) < 0.05)
        turned = (np.sign(before) != np.sign(after)) | crossed
        names = [name for name, off in zip(fit.names, turned[-fit.x.shape[1] :], strict=True) if off]
        text = f"line {fit.line}: one of {len(distance)} rows has a Cook's distance of {distance.max():.1f}"
        (fail if names else warn).append(
            text + (f"; without it {', '.join(names)} changes sign or significance" if names else "")
        )
    if not models:
        return not_applicable(*about, "no linear model")
    return judged(*about, fail=fail, warn=warn, looked_at=f"{len(models)} linear models")
