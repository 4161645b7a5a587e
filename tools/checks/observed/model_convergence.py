"""Check: every model converged, and no warning was silenced."""

from __future__ import annotations

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_GRAVE = ("Convergence", "Hessian", "failed to converge", "did not converge", "Singular", "overflow")
_SILENCE = ("filterwarnings", "simplefilter", "suppressWarnings", "suppressMessages")


def check_convergence(seen: Seen) -> Finding:
    """Did every fit converge, and were the warnings of the libraries heeded?

    Fails for a model that says it did not converge and for a warning of failed convergence, of a singular matrix or of
    overflow, whether the program silenced it or not. Warns for code that silences warnings though none came.

    Not for penalised or Bayesian models that report convergence otherwise.

    References
    ----------
    Bolker BM, et al. Generalized linear mixed models. Trends Ecol Evol 2009;24:127. doi:10.1016/j.tree.2008.10.008
    """
    about = ("convergence", "Did every model converge, and were warnings heeded?")
    fail = [f"line {fit.line}: the {fit.kind} model did not converge" for fit in seen.fits if not fit.converged]
    fail += [f"{kind}: {text}" for kind, text in seen.warned if any(word in kind + " " + text for word in _GRAVE)]
    warn = [
        f"line {call['line']}: {call['name']}() silences warnings"
        for call in seen.called(*_SILENCE)
        if call["last"] in ("suppressWarnings",) or any("ignore" in str(arg) for arg in call["args"])
    ]
    warn += [
        f"line {call['line']}: options(warn = -1)"
        for call in seen.called("options")
        if "-1" in str(call["named"].get("warn"))
    ]
    if seen.language == "r":
        fail += [
            f"{text}, and models are fitted under it"
            for text in warn
            if seen.called("glm", "coxph", "lmer", "glmer", "nls")
        ]
    if not seen.fits and not fail and not warn:
        return not_applicable(*about, "no model, and no silenced warning")
    return judged(*about, fail=list(dict.fromkeys(fail)), warn=warn, looked_at=f"{len(seen.fits)} models converged")
