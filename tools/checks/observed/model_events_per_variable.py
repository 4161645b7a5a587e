"""Check: enough events for the number of parameters."""

from __future__ import annotations

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_events_per_variable(seen: Seen) -> Finding:
    """Are there enough events for the parameters of a logistic or Cox model?

    Events of the rarer outcome over the parameters without the constant. Fails below 5, warns below 10.

    Not a sample size calculation: penalised models and strong priors get by with fewer.

    References
    ----------
    Vittinghoff E, McCulloch CE. Relaxing the rule of ten events per variable in logistic and Cox regression. Am J
    Epidemiol 2007;165:710. doi:10.1093/aje/kwk052
    """
    about = ("events_per_variable", "Are there enough events for the parameters?")
    models = [
        fit for fit in seen.fits if fit.kind in ("logit", "glm-binomial", "cox", "phreg", "cox_tv") and fit.x.shape[1]
    ]
    if not models:
        return not_applicable(*about, "no logistic or Cox model")
    fail, warn = [], []
    for fit in models:
        events = int((fit.y > 0).sum())
        if fit.kind in ("logit", "glm-binomial"):
            events = min(events, len(fit.y) - events)
        ratio = events / fit.x.shape[1]
        if ratio < 10:
            line = f"line {fit.line}: {events} events for {fit.x.shape[1]} parameters"
            (fail if ratio < 5 else warn).append(line)
    return judged(*about, fail=fail, warn=warn, looked_at=f"{len(models)} models, at least ten events a parameter")
