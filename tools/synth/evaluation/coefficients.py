"""The planned model fitted to real and to synthetic rows: do its coefficients say the same?

A model is written as in R: `low ~ age + lwt + smoke`, `bwt ~ age + smoke` or `Surv(time, status=2) ~ age + sex`. Two
levels make it logistic, a number linear, a time and an event a Cox model. Categories are compared with their most
common level among the training rows; numbers count by their standard deviation there; rows with a missing value are
left out.

It does not cover interactions, weights, clusters, or outcomes of several levels.

Source: Karr et al., A Framework for Evaluating the Utility of Data Altered to Protect Confidentiality, Am Stat
2006;60:224-232, https://doi.org/10.1198/000313006X124640
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import statsmodels.api as sm
from statsmodels.duration.hazard_regression import PHReg

from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.evaluation.case import some
from counterproof.tools.synth.evaluation.frames import Floats, Schema

ROWS_MAX = 20_000
_Z = 1.959964
_WORST = -1.0
_SURVIVAL = re.compile(r"Surv\(\s*(?P<time>[^,()]+?)\s*,\s*(?P<event>[^,()=]+?)\s*(?:=\s*(?P<code>[^()]+?)\s*)?\)")


@dataclass(frozen=True, kw_only=True)
class PlannedModel:
    """A regression that the data are for.

    Attributes:
        kind: which.
        outcome: position of the outcome, or of the time.
        event: the code of the outcome that counts as event.
        status: position of the event's column in a Cox model; else -1.
        predictors: positions.
        text: as it was written.
    """

    kind: Literal["logistic", "linear", "cox"]
    outcome: int
    event: float
    status: int
    predictors: tuple[int, ...]
    text: str


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Coefficients by name, with their standard errors; NaN where one can't be estimated."""

    names: tuple[str, ...]
    values: Floats
    errors: Floats


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well the coefficients of two fits agree.

    Attributes:
        overlap: mean overlap of the intervals, from -1 to 1.
        difference: mean difference in standard errors of the real fit.
        same: share with the same sign and the same answer to p < 0.05.
    """

    overlap: float
    difference: float
    same: float


def parse_model(text: str, schema: Schema) -> PlannedModel:
    """Read a planned model.

    Raises:
        UsageError: it is not of the form, or names a column that can't be used.
    """
    left, tilde, right = text.partition("~")
    names = [name.strip() for name in right.split("+")]
    if not tilde or not left.strip() or not all(names):
        raise UsageError(
            f"The model {text!r} can't be read.",
            allowed="`outcome ~ a + b`, or `Surv(time, status=2) ~ a + b`; . on the right stands for all others.",
        )
    survival = _SURVIVAL.fullmatch(left.strip())
    outcome = schema.at(survival["time"] if survival else left.strip())
    status = schema.at(survival["event"]) if survival else -1
    used = {outcome, status}
    others = tuple(at for at in range(len(schema.variables)) if at not in used)
    predictors = others if names == ["."] else tuple(schema.at(name) for name in names)
    if used & set(predictors):
        raise UsageError(f"The model {text!r} explains a column by itself.", advice="Leave it out on the right.")
    kind, event = _kind(schema, outcome, status, survival["code"] if survival else None)
    return PlannedModel(
        kind=kind, outcome=outcome, event=event, status=status, predictors=predictors, text=" ".join(text.split())
    )


def estimate(model: PlannedModel, rows: Floats, schema: Schema, *, train: Floats) -> Estimates | None:
    """Fit the model to rows.

    Args:
        model: which.
        rows: shape (rows, variables).
        schema: of the columns.
        train: rows that say which level others are compared with, and what a unit of a number is.

    Returns:
        None where the fit fails: too few rows, no event, or separation.
    """
    names, design = _design(model, rows, schema, train)
    wanted = [model.outcome, *model.predictors] + ([model.status] if model.kind == "cox" else [])
    complete = ~np.isnan(rows[:, wanted]).any(axis=1)
    x, outcome = design[complete], rows[complete, model.outcome]
    usable = np.array([column.std() > 0 for column in x.T]) if len(x) else np.zeros(len(names), dtype=bool)
    values, errors = np.full(len(names), np.nan), np.full(len(names), np.nan)
    if not usable.any() or len(x) < 2 * usable.sum():
        return None
    fitted = _fit(model, x[:, usable], outcome, rows[complete])
    if fitted is None:
        return None
    values[usable], errors[usable] = fitted
    broken = ~np.isfinite(errors) | (errors > 1e3)
    values[broken], errors[broken] = np.nan, np.nan
    return Estimates(names=tuple(names), values=values, errors=errors)


def agreement(real: Estimates, made: Estimates | None) -> Agreement | None:
    """Compare two fits; None where the real one has no coefficient."""
    known = np.isfinite(real.values)
    if not known.any():
        return None
    if made is None:
        return Agreement(overlap=0.0, difference=float("inf"), same=0.0)
    both = known & np.isfinite(made.values)
    overlaps = np.zeros(int(known.sum()))
    overlaps[both[known]] = _overlap(real, made)[both]
    apart = np.abs(made.values[both] - real.values[both]) / real.errors[both]
    sign = np.sign(real.values) == np.sign(made.values)
    with np.errstate(invalid="ignore"):
        answer = (np.abs(real.values / real.errors) > _Z) == (np.abs(made.values / made.errors) > _Z)
    return Agreement(
        overlap=float(overlaps.mean()),
        difference=float(apart.mean()) if both.any() else float("inf"),
        same=float((sign & answer & both)[known].mean()),
    )


def _overlap(real: Estimates, made: Estimates) -> Floats:
    """Return the overlap of the 95 % intervals of each coefficient."""
    low = np.maximum(real.values - _Z * real.errors, made.values - _Z * made.errors)
    high = np.minimum(real.values + _Z * real.errors, made.values + _Z * made.errors)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (high - low) / (2 * _Z) * (1 / real.errors + 1 / made.errors) / 2
    clipped: Floats = np.clip(found, _WORST, 1.0)
    return clipped


def _kind(
    schema: Schema, outcome: int, status: int, code: str | None
) -> tuple[Literal["logistic", "linear", "cox"], float]:
    column = schema.variables[status if status >= 0 else outcome]
    if status < 0 and column.kind == "number":
        return "linear", 0.0
    if column.kind != "category" or column.common != 2 or (status >= 0 and schema.variables[outcome].kind != "number"):
        raise UsageError(
            f"Column {column.name!r} has {column.common} common levels, so it is no outcome of this model.",
            allowed="A number, a category of two levels, or a time with an event of two levels.",
        )
    names = column.levels[:2]
    if code is not None and code.strip() not in names:
        raise UsageError(f"{column.name!r} has no level {code!r}.", allowed=f"One of: {', '.join(names)}.")
    event = float(names.index(code.strip())) if code is not None else 1.0
    return ("cox" if status >= 0 else "logistic"), event


def _design(model: PlannedModel, rows: Floats, schema: Schema, train: Floats) -> tuple[list[str], Floats]:
    names: list[str] = []
    columns: list[Floats] = []
    for at in model.predictors:
        variable, values = schema.variables[at], rows[:, at]
        learned = train[~np.isnan(train[:, at]), at]
        if variable.kind == "number":
            names.append(variable.name)
            columns.append((values - learned.mean()) / (learned.std() or 1.0))
            continue
        counts = np.bincount(learned.astype(np.int64), minlength=variable.common + 2)
        usual = int(counts.argmax())
        for code in range(variable.common + 1):
            if code != usual and counts[code]:
                names.append(f"{variable.name}: {variable.levels[code]}")
                columns.append((values == code).astype(np.float64))
    return names, np.column_stack(columns) if columns else np.empty((len(rows), 0))


def _fit(model: PlannedModel, x: Floats, outcome: Floats, rows: Floats) -> tuple[Floats, Floats] | None:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if model.kind == "linear":
                done = sm.OLS(outcome, sm.add_constant(x, has_constant="add")).fit()
                return done.params[1:], done.bse[1:]
            if model.kind == "logistic":
                happened = (outcome == model.event).astype(np.float64)
                done = sm.Logit(happened, sm.add_constant(x, has_constant="add")).fit(disp=0, maxiter=100)
                return done.params[1:], done.bse[1:]
            happened = (rows[:, model.status] == model.event).astype(np.float64)
            done = PHReg(outcome, x, status=happened, ties="efron").fit(disp=0)
            return done.params, done.bse
    except (np.linalg.LinAlgError, ValueError, sm.tools.sm_exceptions.PerfectSeparationError):
        return None


def sampled(rows: Floats, random: np.random.Generator) -> Floats:
    """Return at most `ROWS_MAX` rows."""
    return some(rows, ROWS_MAX, random)
