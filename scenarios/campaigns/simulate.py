"""Makes the simulated tasks of the shipped campaign: `python -P -m counterproof.scenarios.campaigns.simulate`.

Each is a stand-in for a kind of task of the published comparisons whose data can't be handed on. Sizes, sparsity and
noise are chosen after published summaries, and nothing is a patient's. Train and test come from "two sites" whose
measurements are shifted against each other, as in challenges.

The baseline of each is a plain reference program (below), not a person: nobody has done these tasks.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from counterproof.scenarios.campaigns import ROOT

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def main() -> None:
    """Write data, labels and baselines of all simulated tasks."""
    _molecular_regression(np.random.default_rng(101))
    _microbiome(np.random.default_rng(102))
    _methylation(np.random.default_rng(103))


def _molecular_regression(chance: np.random.Generator) -> None:
    """Drug sensitivity from expression: 60 and 40 samples, 400 genes, 15 of which count."""
    n, genes = 100, 400
    factors = chance.normal(size=(n, 8))
    values = 7 + factors @ chance.normal(0, 0.6, size=(8, genes)) + chance.normal(0, 0.7, size=(n, genes))
    effect = np.zeros(genes)
    effect[chance.choice(genes, 15, replace=False)] = chance.normal(0, 0.25, size=15)
    target = 5 + (values - values.mean(axis=0)) @ effect + chance.normal(0, 0.5, size=n)
    values[60:] += chance.normal(0, 0.25, size=genes)
    columns = [f"gene_{number:03d}" for number in range(genes)]
    _write(
        "molecular-regression",
        "sample",
        "auc_drug",
        columns,
        np.round(values, 2),
        np.round(target, 3).tolist(),
        train=60,
    )
    fitted = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(0, 4, 9))).fit(values[:60], target[:60])
    _baseline("molecular-regression", "sample", 60, fitted.predict(values[60:]))


def _microbiome(chance: np.random.Generator) -> None:
    """Preterm birth from vaginal taxa: 140 and 80 samples, 90 taxa, compositional counts of unequal depth."""
    n, taxa = 220, 90
    preterm = chance.random(n) < 0.35
    base = chance.normal(0, 2.0, size=taxa)
    shift = np.zeros(taxa)
    shift[chance.choice(taxa, 12, replace=False)] = chance.normal(0, 1.1, size=12)
    log_share = base + chance.normal(0, 1.3, size=(n, taxa)) + np.outer(preterm, shift)
    log_share[140:] += chance.normal(0, 0.3, size=taxa)
    share = np.exp(log_share) / np.exp(log_share).sum(axis=1, keepdims=True)
    depth = chance.integers(2_000, 30_000, size=n)
    counts = np.array([chance.multinomial(depth[row], share[row]) for row in range(n)])
    target = ["preterm" if one else "term" for one in preterm]
    columns = [f"taxon_{number:02d}" for number in range(taxa)]
    _write("microbiome-preterm", "participant", "birth", columns, counts, target, train=140)
    logs = np.log(counts + 0.5)
    centred = logs - logs.mean(axis=1, keepdims=True)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000))
    fitted.fit(centred[:140], [not one for one in preterm[:140]])
    score = fitted.predict_proba(centred[140:])[:, 0]
    _baseline(
        "microbiome-preterm", "participant", 140, score, labels=["preterm" if one > 0.5 else "term" for one in score]
    )


def _methylation(chance: np.random.Generator) -> None:
    """Age from methylation: 80 and 50 samples, 2,000 sites as beta values, 120 of which drift with age."""
    n, sites = 130, 2000
    age = chance.uniform(18, 85, size=n)
    slope = np.zeros(sites)
    slope[chance.choice(sites, 120, replace=False)] = chance.normal(0, 0.02, size=120)
    level = chance.normal(0, 1.6, size=sites) + np.outer(age - 50, slope) + chance.normal(0, 0.45, size=(n, sites))
    level[80:] += chance.normal(0, 0.12, size=sites)
    betas = 1 / (1 + np.exp(-level))
    columns = [f"cg{number:05d}" for number in range(sites)]
    _write("methylation-clock", "sample", "age", columns, np.round(betas, 3), np.round(age, 1).tolist(), train=80)
    fitted = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(1, 5, 9))).fit(betas[:80], age[:80])
    _baseline("methylation-clock", "sample", 80, fitted.predict(betas[80:]))


def _write(
    task: str, name: str, target: str, columns: list[str], values: Array, targets: Sequence[object], *, train: int
) -> None:
    ids = _ids(len(values))
    rows = [[ids[at], *row] for at, row in enumerate(values.tolist())]
    folder = ROOT / "tasks" / task
    known = [[row[0], given, *row[1:]] for row, given in zip(rows[:train], targets[:train], strict=True)]
    _csv(folder / "data" / "train.csv.gz", [[name, target, *columns], *known])
    _csv(folder / "data" / "test.csv.gz", [[name, *columns], *rows[train:]])
    labels = [[one, given] for one, given in zip(ids[train:], targets[train:], strict=True)]
    _csv(folder / "held-out" / "labels.csv", [[name, target], *labels])


def _baseline(task: str, name: str, train: int, given: Array, labels: Sequence[str] = ()) -> None:
    ids = _ids(train + len(given))[train:]
    if labels:
        rows = [[one, label, round(float(score), 6)] for one, label, score in zip(ids, labels, given, strict=True)]
        _csv(ROOT / "tasks" / task / "held-out" / "baseline.csv", [[name, "prediction", "score"], *rows])
        return
    rows = [[one, round(float(value), 4)] for one, value in zip(ids, given, strict=True)]
    _csv(ROOT / "tasks" / task / "held-out" / "baseline.csv", [[name, "prediction"], *rows])


def _ids(number: int) -> list[str]:
    return [f"P{at:03d}" for at in range(1, number + 1)]


def _csv(path: Path, rows: list[list[object]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    data = out.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


if __name__ == "__main__":
    main()
