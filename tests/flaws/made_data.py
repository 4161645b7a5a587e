"""Data sets with a known truth, the same bytes each time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd


def _file(name: str, frame: pd.DataFrame) -> Mapping[str, bytes]:
    return {name: frame.round(4).to_csv(index=False).encode()}


def before_after() -> Mapping[str, bytes]:
    """40 people measured twice: a fall of 4 on a person's own level."""
    chance = np.random.default_rng(1)
    level = chance.normal(140, 15, 40)
    frame = pd.DataFrame({"id": range(1, 41), "before": level + chance.normal(0, 4, 40)})
    frame["after"] = level - 4 + chance.normal(0, 4, 40)
    return _file("pressure.csv", frame)


def lord() -> Mapping[str, bytes]:
    """Two diets; the groups differ by 1.5 SD at the start, and regress to their own means: no effect at all."""
    chance = np.random.default_rng(2)
    group = np.repeat([0, 1], 80)
    level = 60 + 12 * group + chance.normal(0, 6, 160)
    frame = pd.DataFrame({"diet": group, "start_weight": level + chance.normal(0, 4, 160)})
    frame["end_weight"] = level + chance.normal(0, 4, 160)
    return _file("diet.csv", frame)


def twice_entered() -> Mapping[str, bytes]:
    """120 people, 30 of whom were entered twice."""
    chance = np.random.default_rng(3)
    frame = pd.DataFrame(
        {"patient_id": range(1, 121), "arm": chance.integers(0, 2, 120), "age": chance.integers(30, 80, 120)}
    )
    frame["score"] = 50 + 3 * frame["arm"] + chance.normal(0, 8, 120)
    return _file("entered.csv", pd.concat([frame, frame.iloc[:30]]))


def two_units() -> Mapping[str, bytes]:
    """200 adults whose height stands in centimetres, at one of the sites in inches."""
    chance = np.random.default_rng(4)
    frame = pd.DataFrame({"height": chance.normal(170, 9, 200).round(1), "age": chance.integers(20, 70, 200)})
    frame["lung_volume"] = 0.05 * frame["height"] - 3.5 + chance.normal(0, 0.4, 200)
    frame.loc[chance.random(200) < 0.2, "height"] /= 2.54
    return _file("spirometry.csv", frame)


def impossible() -> Mapping[str, bytes]:
    """150 people followed; four left before they came."""
    chance = np.random.default_rng(5)
    frame = pd.DataFrame({"age": chance.integers(40, 80, 150), "days": chance.exponential(400, 150).round() + 1})
    frame["died"] = chance.integers(0, 2, 150)
    frame.loc[[3, 40, 77, 120], "days"] = [-12, -3, -40, -7]
    return _file("follow.csv", frame)


def crossing() -> Mapping[str, bytes]:
    """Two treatments whose hazards cross: early harm, late benefit."""
    chance = np.random.default_rng(6)
    arm = np.repeat([0, 1], 200)
    time = np.where(arm == 1, 300 * chance.weibull(0.6, 400), 300 * chance.weibull(2.5, 400)) + 1
    frame = pd.DataFrame({"arm": arm, "months": np.minimum(time, 900).round(1), "died": (time < 900).astype(int)})
    return _file("crossing.csv", frame)


def separated() -> Mapping[str, bytes]:
    """A rare mutation with which everybody falls ill."""
    chance = np.random.default_rng(7)
    frame = pd.DataFrame({"mutation": (np.arange(120) < 14).astype(int), "age": chance.integers(30, 70, 120)})
    frame["ill"] = np.where(frame["mutation"] == 1, 1, (chance.random(120) < 0.3).astype(int))
    return _file("mutation.csv", frame)


def counts() -> Mapping[str, bytes]:
    """Seizures of 150 people, which vary far more than a Poisson law says."""
    chance = np.random.default_rng(8)
    drug = np.tile([0, 1], 75)
    mean = np.exp(1.8 - 0.2 * drug)
    seizures = chance.poisson(mean * chance.gamma(0.7, 1 / 0.7, 150))
    return _file("seizures.csv", pd.DataFrame({"drug": drug, "seizures": seizures}))


def uneven() -> Mapping[str, bytes]:
    """A small group that varies much and a large one that varies little."""
    chance = np.random.default_rng(9)
    frame = pd.DataFrame({"group": [1] * 20 + [0] * 100})
    frame["marker"] = np.where(frame["group"] == 1, chance.normal(12, 9, 120), chance.normal(10, 2, 120))
    return _file("uneven.csv", frame)


def skewed() -> Mapping[str, bytes]:
    """Two groups of twelve with a long tail."""
    chance = np.random.default_rng(10)
    frame = pd.DataFrame({"group": [0] * 12 + [1] * 12})
    frame["titre"] = np.exp(chance.normal(1, 0.5, 24))
    frame.loc[[3, 15], "titre"] = [90.0, 160.0]
    return _file("titres.csv", frame)


def lever() -> Mapping[str, bytes]:
    """30 people without any association, and one typing error far out."""
    chance = np.random.default_rng(11)
    frame = pd.DataFrame({"dose": chance.uniform(1, 5, 30), "response": chance.normal(20, 3, 30)})
    frame.loc[len(frame)] = [40.0, 95.0]
    return _file("response.csv", frame)


def two_scales() -> Mapping[str, bytes]:
    """Weight in kilograms and in pounds, both rounded, with blood pressure."""
    chance = np.random.default_rng(12)
    weight = chance.normal(80, 12, 200)
    frame = pd.DataFrame(
        {"weight_kg": weight.round(1), "weight_lb": (weight * 2.2046).round(), "sbp": 100 + 0.4 * weight}
    )
    frame["sbp"] += chance.normal(0, 9, 200)
    return _file("pressure_weight.csv", frame)


def few_events() -> Mapping[str, bytes]:
    """14 events in 200 people, eight candidate predictors."""
    chance = np.random.default_rng(13)
    frame = pd.DataFrame(chance.normal(size=(200, 8)), columns=[f"marker{at}" for at in range(1, 9)])
    frame["relapse"] = 0
    frame.loc[chance.choice(200, 14, replace=False), "relapse"] = 1
    return _file("relapse.csv", frame)


def visits() -> Mapping[str, bytes]:
    """60 people with five visits each; people differ, and nothing predicts who is ill but who they are."""
    chance = np.random.default_rng(14)
    person = np.repeat(np.arange(1, 61), 5)
    ill = np.repeat(chance.integers(0, 2, 60), 5)
    frame = pd.DataFrame({"patient_id": person, "ill": ill})
    for at in range(1, 7):
        frame[f"gait{at}"] = np.repeat(chance.normal(size=60), 5) + chance.normal(0, 0.15, 300)
    return _file("gait.csv", frame)


def noise_genes() -> Mapping[str, bytes]:
    """50 people, 600 genes, no gene knows the class."""
    chance = np.random.default_rng(15)
    frame = pd.DataFrame(chance.normal(size=(50, 600)), columns=[f"g{at}" for at in range(600)])
    frame.insert(0, "tumour", np.tile([0, 1], 25))
    return _file("genes.csv", frame)


def rare_class() -> Mapping[str, bytes]:
    """220 people, 30 with the outcome, ten measurements that know nothing of it."""
    chance = np.random.default_rng(16)
    frame = pd.DataFrame(chance.normal(size=(220, 10)), columns=[f"m{at}" for at in range(10)])
    frame["sepsis"] = 0
    frame.loc[chance.choice(220, 30, replace=False), "sepsis"] = 1
    return _file("sepsis.csv", frame)


def panel() -> Mapping[str, bytes]:
    """20 proteins in 100 people, none of which differs between cases and controls."""
    chance = np.random.default_rng(17)
    frame = pd.DataFrame(chance.normal(size=(100, 20)), columns=[f"protein{at}" for at in range(1, 21)])
    frame["ill"] = np.tile([0, 1], 50)
    return _file("proteins.csv", frame)


def _leaving(effect: float) -> Mapping[str, bytes]:
    chance = np.random.default_rng(18)
    severe = chance.integers(0, 2, 300)
    death, out = chance.exponential(600 / (1 + severe)), chance.exponential(700 / (1 + effect * severe))
    time = np.minimum(np.minimum(death, out), 1000)
    frame = pd.DataFrame(
        {"severe": severe, "days": time.round() + 1, "died": ((death <= out) & (death < 1000)).astype(int)}
    )
    return _file("hospice.csv", frame)


def leaving() -> Mapping[str, bytes]:
    """Patients with severe disease leave for a hospice, and are counted as censored."""
    return _leaving(3.0)


def staying() -> Mapping[str, bytes]:
    """The same study, in which leaving has nothing to do with severity."""
    return _leaving(0.0)


def litters() -> Mapping[str, bytes]:
    """24 litters of eight pups; the dam is treated."""
    chance = np.random.default_rng(19)
    litter = np.repeat(np.arange(1, 25), 8)
    treated = np.repeat(np.tile([0, 1], 12), 8)
    weight = 6 + np.repeat(chance.normal(0, 0.8, 24), 8) + chance.normal(0, 0.3, 192)
    return _file("pups.csv", pd.DataFrame({"litter": litter, "treated": treated, "pup_weight": weight}))


def incomes() -> Mapping[str, bytes]:
    """Cholesterol is missing for a quarter, more often for those who die."""
    chance = np.random.default_rng(20)
    frame = pd.DataFrame({"age": chance.integers(40, 80, 400), "cholesterol": chance.normal(5.5, 1, 400)})
    frame["died"] = (chance.random(400) < 0.15 + 0.1 * (frame["cholesterol"] > 6)).astype(int)
    frame.loc[chance.random(400) < 0.25, "cholesterol"] = np.nan
    return _file("cholesterol.csv", frame)
