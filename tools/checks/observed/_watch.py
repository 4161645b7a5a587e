"""Running the program under observation: what it fits, tests and scores is noted; what it computes is not changed.

Functions and `fit` methods of the libraries are wrapped. A wrapper notes a call only where the program itself made it
(the caller's code is the program's), so what libraries do among themselves is left out. It does not cover code that
computes without these libraries: that is seen by its results alone.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import json
import os
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from counterproof.tools.checks.observed._seen import Fit, Learned, Scored, Seen, Tested

NAME = "<the analysis program>"
_MOST = 400
_TESTS = (
    "ttest_ind",
    "ttest_rel",
    "ttest_1samp",
    "mannwhitneyu",
    "wilcoxon",
    "chi2_contingency",
    "fisher_exact",
    "pearsonr",
    "spearmanr",
    "kendalltau",
    "f_oneway",
    "kruskal",
    "ranksums",
    "ks_2samp",
    "friedmanchisquare",
    "shapiro",
    "levene",
)
_READS = (
    "read_csv",
    "read_table",
    "read_excel",
    "read_sas",
    "read_spss",
    "read_stata",
    "read_parquet",
    "read_json",
    "read_feather",
)
_LIFELINES_TESTS = ("logrank_test", "multivariate_logrank_test", "pairwise_logrank_test", "proportional_hazard_test")
_CROSS = ("cross_val_score", "cross_validate", "cross_val_predict", "train_test_split")
_SCORES = (
    "roc_auc_score",
    "accuracy_score",
    "brier_score_loss",
    "log_loss",
    "f1_score",
    "balanced_accuracy_score",
    "average_precision_score",
)
_KINDS = {
    "OLS": "ols",
    "WLS": "wls",
    "GLS": "wls",
    "Logit": "logit",
    "Probit": "logit",
    "Poisson": "poisson",
    "NegativeBinomial": "negbin",
    "NegativeBinomialP": "negbin",
    "MixedLM": "mixed",
    "GEE": "gee",
    "PHReg": "phreg",
    "CoxPHFitter": "cox",
    "CoxTimeVaryingFitter": "cox_tv",
    "KaplanMeierFitter": "km",
}


def watch(seen: Seen, program: str, *, data: str, out: str) -> str:
    """Run the program on a folder of data, note in `seen` what it does, and return its error; "" for none."""
    watched = _Watched(seen)
    os.environ["COUNTERPROOF_DATA"], os.environ["COUNTERPROOF_OUT"] = data, out
    Path(out).mkdir(parents=True, exist_ok=True)
    code = compile(program, NAME, "exec")
    with watched.hooked(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        error = _execute(code)
    for row in watched.caught:
        seen.warned.append((row.category.__name__, str(row.message).splitlines()[0][:160] if str(row.message) else ""))
    seen.warned = list(dict.fromkeys(seen.warned))
    return error


def _execute(code: types.CodeType) -> str:
    main = types.ModuleType("__main__")
    main.__file__ = "/program/program.py"
    before, sys.modules["__main__"] = sys.modules["__main__"], main
    try:
        exec(code, main.__dict__)  # noqa: S102  # the approved program, in the sandbox
    except SystemExit as stop:
        return "" if stop.code in (None, 0) else f"exit {stop.code}"
    except BaseException as error:
        return type(error).__name__
    finally:
        sys.modules["__main__"] = before
    return ""


def outputs(out: str, name: str) -> dict[str, Any]:
    """Return one of the program's JSON outputs; empty where it can't be read."""
    try:
        found = json.loads(Path(out, name).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class _Watched:
    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.caught: list[warnings.WarningMessage] = []
        self._undo: list[tuple[Any, str, Any]] = []
        self._done: set[int] = set()

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        importing = builtins.__import__

        def imported(name: str, *args: Any, **named: Any) -> Any:
            module = importing(name, *args, **named)
            if sys._getframe(1).f_code.co_filename == NAME:
                self._hook_all()
            return module

        silence = warnings.filterwarnings, warnings.simplefilter
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                warnings.filterwarnings = _unless_program(silence[0])
                warnings.simplefilter = _unless_program(silence[1])
                self.caught = caught
                builtins.__import__ = imported
                self._hook_all()
                yield
        finally:
            builtins.__import__ = importing
            warnings.filterwarnings, warnings.simplefilter = silence
            for owner, name, original in reversed(self._undo):
                setattr(owner, name, original)

    def _wrap(self, owner: Any, name: str, note: Callable[..., None]) -> None:
        original = owner.__dict__.get(name)
        if not callable(original) or id(original) in self._done or getattr(original, "_watched", False):
            return

        @functools.wraps(original)
        def wrapped(*args: Any, **named: Any) -> Any:
            given = original(*args, **named)
            frame = sys._getframe(1)
            if frame.f_code.co_filename == NAME:
                with contextlib.suppress(Exception):  # what can't be read is not noted; the program must not notice
                    note(frame.f_lineno, given, args, named)
            return given

        wrapped._watched = True  # type: ignore[attr-defined]
        setattr(owner, name, wrapped)
        self._undo.append((owner, name, original))
        self._done.add(id(wrapped))

    def _hook_all(self) -> None:
        modules = sys.modules
        if "scipy.stats" in modules:
            for name in _TESTS:
                self._wrap(modules["scipy.stats"], name, functools.partial(self._tested, name))
        if "lifelines.statistics" in modules:
            for name in _LIFELINES_TESTS:
                self._wrap(modules["lifelines.statistics"], name, functools.partial(self._tested, name))
        if "lifelines" in modules:
            for name in ("CoxPHFitter", "KaplanMeierFitter", "CoxTimeVaryingFitter"):
                self._wrap(getattr(modules["lifelines"], name), "fit", self._survival)
        if "statsmodels.base.model" in modules:
            for made in _below(modules["statsmodels.base.model"].Model):
                for fit in ("fit",):  # a penalised fit answers to other checks
                    if fit in made.__dict__:
                        self._wrap(made, fit, self._fitted)
            durations = modules.get("statsmodels.duration.survfunc")
            if durations:
                self._wrap(durations, "survdiff", functools.partial(self._tested, "survdiff"))
        if "sklearn.base" in modules:
            base = modules["sklearn.base"]
            for made in _below(base.BaseEstimator) | {base.TransformerMixin, base.ClassifierMixin, base.RegressorMixin}:
                for name in ("fit", "fit_transform", "predict", "predict_proba"):
                    if name in made.__dict__:
                        self._wrap(made, name, functools.partial(self._learned, name))
        for module in ("sklearn.model_selection", "sklearn.model_selection._validation"):
            if module in modules:
                for name in _CROSS:
                    self._wrap(modules[module], name, functools.partial(self._crossed, name))
        if "sklearn.metrics" in modules:
            for name in _SCORES:
                self._wrap(modules["sklearn.metrics"], name, functools.partial(self._scored, name))
        self._wrap(pd, "crosstab", self._tabled)
        for name in _READS:
            self._wrap(pd, name, self._read)

    def _tested(self, name: str, line: int, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(self.seen.tests) < _MOST:
            p = getattr(given, "pvalue", getattr(given, "p_value", None))
            given_args = args or tuple(named[key] for key in ("a", "b", "x", "y", "observed", "table") if key in named)
            self.seen.tests.append(Tested(name, line, given_args, named, None if p is None else float(np.min(p))))

    def _read(self, line: int, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Keep a file that the checks could not read themselves as the program read it."""
        path = Path(str(args[0] if args else named.get("filepath_or_buffer", named.get("io", named.get("path", "")))))
        if path.name not in self.seen.frames and isinstance(given, pd.DataFrame):
            self.seen.frames[path.name] = given.copy()

    def _tabled(self, line: int, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        names = [str(part.name) for part in args if isinstance(part, pd.Series)]
        names += [str(part.name) for part in named.values() if isinstance(part, pd.Series)]
        self.seen.crossed.append(tuple(names))

    def _survival(self, line: int, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(self.seen.fits) >= _MOST:
            return
        fitter = args[0]
        kind = _KINDS[type(fitter).__name__]
        if kind == "km":
            time, event = np.asarray(fitter.durations, float), np.asarray(fitter.event_observed, float)
            self.seen.fits.append(
                Fit(kind, line, [], np.zeros((len(time), 0)), event, time=time, rows=len(time), raw=fitter)
            )
            return
        frame = args[1] if len(args) > 1 else named.get("df")
        names = [str(name) for name in fitter.params_.index]
        if kind == "cox_tv":
            events = np.asarray(frame[fitter.event_col], float)
            x = _columns(frame, names)
            self.seen.fits.append(
                Fit(
                    kind,
                    line,
                    names,
                    x,
                    events,
                    entry=True,
                    clustered=True,
                    rows=int(frame[fitter.id_col].nunique()),
                    raw=fitter,
                )
            )
            return
        x = _columns(frame, names)
        time, event = np.asarray(fitter.durations, float), np.asarray(fitter.event_observed, float)
        if set(names) <= set(map(str, frame.columns)):
            # lifelines sorts by time; take the rows as the program gave them
            time = np.asarray(frame[fitter.duration_col], float)
            event = np.asarray(frame[fitter.event_col], float) if fitter.event_col else np.ones(len(time))
        self.seen.fits.append(
            Fit(
                kind,
                line,
                names,
                x,
                event,
                time=time,
                entry=getattr(fitter, "entry_col", None) is not None,
                clustered=getattr(fitter, "cluster_col", None) is not None,
                robust=bool(getattr(fitter, "robust", False)),
                rows=len(frame),
                raw=fitter,
            )
        )

    def _fitted(self, line: int, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(self.seen.fits) >= _MOST:
            return
        model = args[0]
        raw = getattr(given, "_results", given)
        kind = _KINDS.get(type(model).__name__, "other")
        if type(model).__name__ == "GLM":
            family = type(model.family).__name__.lower()
            kind = {
                "binomial": "glm-binomial",
                "poisson": "glm-poisson",
                "negativebinomial": "negbin",
                "gaussian": "ols",
            }.get(family, "other")
            kind = "other" if kind == "ols" else kind
        if kind == "phreg" and model.surv.n_strat > 1:
            kind = "other"
        exog, names = np.asarray(model.exog, float), [str(name) for name in model.exog_names]
        keep = [at for at in range(exog.shape[1]) if np.ptp(exog[:, at]) > 0]
        covariance = str(getattr(raw, "cov_type", named.get("cov_type", "nonrobust")))
        settled = getattr(raw, "mle_retvals", None)
        converged = getattr(raw, "converged", settled.get("converged", True) if isinstance(settled, dict) else True)
        endog = np.asarray(model.endog, float)
        missing = getattr(model.data, "missing_row_idx", None)
        dropped = len(missing) if missing is not None else 0
        weighted = (
            kind == "ols" and getattr(model, "weights", None) is not None and np.ptp(np.atleast_1d(model.weights)) > 0
        )
        self.seen.fits.append(
            Fit(
                "wls" if weighted else kind,
                line,
                [names[at] for at in keep],
                exog[:, keep],
                np.asarray(model.status, float) if kind == "phreg" else endog,
                time=endog if kind == "phreg" else None,
                entry=kind == "phreg" and getattr(model, "entry", None) is not None,
                clustered=covariance == "cluster" or kind in ("mixed", "gee"),
                robust=covariance not in ("nonrobust", "unadjusted", "")
                or (getattr(raw, "scale", 1) != 1 and kind == "glm-poisson"),
                converged=bool(converged),
                rows=len(endog),
                raw=raw,
                dropped=dropped,
            )
        )

    def _learned(self, what: str, line: int, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(self.seen.learned) < _MOST:
            x = args[1] if len(args) > 1 else named.get("X")
            y = args[2] if len(args) > 2 else named.get("y")
            self.seen.learned.append(Learned(what, line, type(args[0]).__name__, x, y, named))

    def _crossed(self, what: str, line: int, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if what == "train_test_split":
            self.seen.learned.append(
                Learned(what, line, "", args[0] if args else None, args[1] if len(args) > 1 else None, named)
            )
        else:
            y = args[2] if len(args) > 2 else named.get("y")
            self.seen.learned.append(
                Learned(what, line, type(args[0]).__name__, args[1] if len(args) > 1 else named.get("X"), y, named)
            )

    def _scored(self, name: str, line: int, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(self.seen.scored) < _MOST and len(args) >= 2:
            self.seen.scored.append(Scored(name, line, np.asarray(args[0]), np.asarray(args[1]), float(given)))


def _columns(frame: pd.DataFrame, names: list[str]) -> np.ndarray:
    if set(names) <= set(map(str, frame.columns)):
        return np.asarray(frame[names], float)
    return np.zeros((len(frame), 0))


def _below(base: type) -> set[type]:
    found, left = {base}, [base]
    while left:
        for made in left.pop().__subclasses__():
            if made not in found:
                found.add(made)
                left.append(made)
    return found


def _unless_program(function: Callable[..., Any]) -> Callable[..., Any]:
    def ask(*args: Any, **named: Any) -> Any:
        if sys._getframe(1).f_code.co_filename != NAME:
            return function(*args, **named)
        return None

    return ask
