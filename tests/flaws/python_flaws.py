"""The flaws in Python."""

from __future__ import annotations

from . import made_data as made
from .flaw import Flaw, real

_LOGIT = "import statsmodels.formula.api as smf\n"
_STATS = "from scipy import stats\n"
_LOW = "logistic regression of low on smoke, age, lwt, race, ptl, ht and ui; odds ratio"

PYTHON_FLAWS = (
    Flaw(
        id="rows of one subject taken as independent", check="repeated_subjects", source="sleepstudy", data=real("sleepstudy.csv"),
        plan="linear mixed model of Reaction on Days with random intercept and slope for each Subject", outcome="Reaction", exposure="Days",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "sleepstudy.csv")
m = smf.ols("Reaction ~ Days", d).fit()
write([row("slope", m.params["Days"], "ms a day", len(d), m.pvalues["Days"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "sleepstudy.csv")
m = smf.mixedlm("Reaction ~ Days", d, groups=d.Subject, re_formula="~Days").fit(reml=True)
write([row("slope", m.fe_params["Days"], "ms a day", len(d), m.pvalues["Days"])], len(d), len(d))
""",
    ),
    Flaw(
        id="pups of a litter taken as independent", check="repeated_subjects", source="pups (made)", data=made.litters,
        plan="t test of pup_weight between treated and untreated litters", outcome="pup_weight", exposure="treated", design="randomised_trial",
        flawed=_STATS + """
d = pd.read_csv(DATA / "pups.csv")
t = stats.ttest_ind(d.pup_weight[d.treated == 1], d.pup_weight[d.treated == 0], equal_var=False)
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "pups.csv")
mean = d.groupby("litter")[["treated", "pup_weight"]].mean()
t = stats.ttest_ind(mean.pup_weight[mean.treated == 1], mean.pup_weight[mean.treated == 0], equal_var=False)
write([row("t", t.statistic, "statistic", len(mean), t.pvalue)], len(d), len(d))
""",
    ),
    Flaw(
        id="immortal time", check="immortal_time", source="heart_transplant", data=real("heart_transplant.csv"),
        plan="Cox model of time-dependent transplant with start and stop times from acceptance to death (futime, fustat, wait.time)", outcome="fustat", exposure="transplant",
        flawed="""
from lifelines import CoxPHFitter
d = pd.read_csv(DATA / "heart_transplant.csv")
d["futime"] = d.futime.clip(lower=0.5)
m = CoxPHFitter().fit(d[["futime", "fustat", "transplant"]], "futime", "fustat")
write([row("hr", m.hazard_ratios_["transplant"], "ratio", len(d), m.summary["p"]["transplant"])], len(d), len(d))
""",
        sound="""
from lifelines import CoxTimeVaryingFitter
d = pd.read_csv(DATA / "heart_transplant.csv")
parts = []
for at, person in d.iterrows():
    end = max(person.futime, 0.5)
    if person.transplant == 1:
        wait = min(max(np.nan_to_num(person["wait.time"]), 0.25), end - 0.25)
        parts += [(at, 0, wait, 0, 0), (at, wait, end, person.fustat, 1)]
    else:
        parts.append((at, 0, end, person.fustat, 0))
long = pd.DataFrame(parts, columns=["who", "start", "stop", "event", "transplant"])
m = CoxTimeVaryingFitter().fit(long, id_col="who", start_col="start", stop_col="stop", event_col="event")
write([row("hr", m.hazard_ratios_["transplant"], "ratio", len(d), m.summary["p"]["transplant"])], len(d), len(d))
""",
    ),
    Flaw(
        id="Simpson's paradox", check="simpson", source="whickham", data=real("whickham.csv"),
        plan="logistic regression of vital_status_20y on smoker, crude and adjusted for age_baseline in bands; odds ratio", outcome="vital_status_20y", exposure="smoker",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "whickham.csv")
d["dead"] = (d.vital_status_20y == "Dead").astype(int)
m = smf.logit("dead ~ smoker", d).fit(disp=0)
write([row("odds", np.exp(m.params["smoker[T.Yes]"]), "ratio", len(d), m.pvalues["smoker[T.Yes]"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "whickham.csv")
d["dead"] = (d.vital_status_20y == "Dead").astype(int)
d["band"] = pd.cut(d.age_baseline, [17, 34, 44, 54, 64, 74, 120]).astype(str)
d = d[d.band != "(74, 120]"]
m = smf.logit("dead ~ smoker + C(band)", d).fit(disp=0)
n = len(pd.read_csv(DATA / "whickham.csv"))
write([row("odds", np.exp(m.params["smoker[T.Yes]"]), "ratio", len(d), m.pvalues["smoker[T.Yes]"])], n, len(d), [("older than 74", n - len(d))])
""",
    ),
    Flaw(
        id="codes for missing taken as numbers", check="sentinels", source="babies_coded", data=real("babies_coded.csv"),
        plan="linear regression of bwt on gestation, parity, age, height, weight and smoke; codes 9, 99, 999 are missing", outcome="bwt", exposure="smoke",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "babies_coded.csv")
m = smf.ols("bwt ~ gestation + parity + age + height + weight + smoke", d).fit()
write([row("smoking", m.params["smoke"], "oz", len(d), m.pvalues["smoke"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "babies_coded.csv")
codes = {"gestation": 999, "age": 99, "height": 99, "weight": 999, "smoke": 9}
c = d.replace({name: {code: np.nan} for name, code in codes.items()}).dropna()
m = smf.ols("bwt ~ gestation + parity + age + height + weight + smoke", c).fit()
write([row("smoking", m.params["smoke"], "oz", len(c), m.pvalues["smoke"])], len(d), len(c), [("missing", len(d) - len(c))])
""",
    ),
    Flaw(
        id="the outcome among the predictors", check="target_leakage", source="lbw", data=real("lbw.csv"),
        plan=_LOW + "; bwt", outcome="low", exposure="smoke",
        flawed="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.metrics import roc_auc_score
d = pd.read_csv(DATA / "lbw.csv")
x = d[["smoke", "age", "lwt", "race", "ptl", "ht", "ui", "bwt"]]
model = RandomForestClassifier(100, random_state=SEED)
model.fit(x, d.low)
p = cross_val_predict(model, x, d.low, cv=5, method="predict_proba")[:, 1]
write([row("auc", roc_auc_score(d.low, p), "probability", len(d))], len(d), len(d))
""",
        sound="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.metrics import roc_auc_score
d = pd.read_csv(DATA / "lbw.csv")
x = d[["smoke", "age", "lwt", "race", "ptl", "ht", "ui"]]
model = RandomForestClassifier(100, random_state=SEED)
model.fit(x, d.low)
p = cross_val_predict(model, x, d.low, cv=5, method="predict_proba")[:, 1]
write([row("auc", roc_auc_score(d.low, p), "probability", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="a result written down", check="literals", source="lbw", data=real("lbw.csv"), plan=_LOW, outcome="low", exposure="smoke",
        flawed="""
d = pd.read_csv(DATA / "lbw.csv")
odds = 2.5177
rows = [{"id": "odds", "label": "odds ratio", "value": odds, "unit": "ratio", "n": len(d), "method": "logistic", "population": "all"}]
write(rows, len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "lbw.csv")
m = smf.logit("low ~ age + lwt + C(race) + smoke + ptl + ht + ui", d).fit(disp=0)
odds = np.exp(m.params["smoke"])
rows = [{"id": "odds", "label": "odds ratio", "value": odds, "unit": "ratio", "n": len(d), "method": "logistic", "population": "all"}]
write(rows, len(d), len(d))
""",
    ),
    Flaw(
        id="rows dropped by the library", check="dropped_rows", source="lung", data=real("lung.csv"),
        plan="linear regression of wt.loss (weight_loss) on ph.ecog (ecog), sex and age; complete cases", outcome="wt.loss", exposure="sex",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "lung.csv").rename(columns={"wt.loss": "weight_loss", "ph.ecog": "ecog"})
m = smf.ols("weight_loss ~ ecog + sex + age", d).fit()
write([row("difference", m.params["sex"], "lb", len(d), m.pvalues["sex"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "lung.csv").rename(columns={"wt.loss": "weight_loss", "ph.ecog": "ecog"})
c = d.dropna(subset=["weight_loss", "ecog", "sex", "age"])
m = smf.ols("weight_loss ~ ecog + sex + age", c).fit()
write([row("difference", m.params["sex"], "lb", len(c), m.pvalues["sex"])], len(d), len(c), [("missing", len(d) - len(c))])
""",
    ),
    Flaw(
        id="errors of a weighted fit by the model", check="heteroscedasticity", source="nhefs", data=real("nhefs_complete.csv"),
        plan="inverse probability weights from a logistic model of qsmk on sex, age, race, smokeintensity, smokeyrs, wt71; weighted linear difference of wt82_71 with robust errors", outcome="wt82_71", exposure="qsmk",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "nhefs_complete.csv")
ps = smf.logit("qsmk ~ sex + age + race + smokeintensity + smokeyrs + wt71", d).fit(disp=0).predict(d)
w = np.where(d.qsmk == 1, 1 / ps, 1 / (1 - ps))
m = smf.wls("wt82_71 ~ qsmk", d, weights=w).fit()
write([row("effect", m.params["qsmk"], "kg", len(d), m.pvalues["qsmk"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "nhefs_complete.csv")
ps = smf.logit("qsmk ~ sex + age + race + smokeintensity + smokeyrs + wt71", d).fit(disp=0).predict(d)
w = np.where(d.qsmk == 1, 1 / ps, 1 / (1 - ps))
m = smf.wls("wt82_71 ~ qsmk", d, weights=w).fit(cov_type="HC3")
write([row("effect", m.params["qsmk"], "kg", len(d), m.pvalues["qsmk"])], len(d), len(d))
""",
    ),
    Flaw(
        id="many subgroups, none allowed for", check="multiplicity", source="indo_rct", data=real("indo_rct.csv"),
        plan="Fisher exact tests of outcome between arms rx, overall and in subgroups by pep, recpanc, psphinc, precut, difcan, pneudil, amp, sod, with Holm adjustment", outcome="outcome", exposure="rx", design="randomised_trial",
        flawed=_STATS + """
d = pd.read_csv(DATA / "indo_rct.csv")
best = None
for name in ("pep", "recpanc", "psphinc", "precut", "difcan", "pneudil", "amp", "sod"):
    part = d[d[name].str.startswith("1")]
    p = stats.fisher_exact(pd.crosstab(part.rx, part.outcome).to_numpy())[1]
    if best is None or p < best[0]:
        best = (p, len(part))
write([row("smallest_p", best[0], "probability", best[1], best[0])], len(d), len(d))
""",
        sound=_STATS + """
from statsmodels.stats.multitest import multipletests
d = pd.read_csv(DATA / "indo_rct.csv")
found = []
for name in ("pep", "recpanc", "psphinc", "precut", "difcan", "pneudil", "amp", "sod"):
    part = d[d[name].str.startswith("1")]
    found.append(stats.fisher_exact(pd.crosstab(part.rx, part.outcome).to_numpy())[1])
adjusted = multipletests(found, method="holm")[1]
write([row("smallest_p", min(adjusted), "probability", len(d), min(adjusted))], len(d), len(d))
""",
    ),
    Flaw(
        id="chi-squared test of a sparse table", check="sparse_cells", source="indo_rct", data=real("indo_rct.csv"),
        plan="Fisher exact test of outcome between acinar yes and no", outcome="outcome", exposure="acinar",
        flawed=_STATS + """
d = pd.read_csv(DATA / "indo_rct.csv")
part = d[d.site == "3_UK"] if (d.site == "3_UK").any() else d[d.site == d.site.value_counts().index[-1]]
chi2, p = stats.chi2_contingency(pd.crosstab(part.rx, part.outcome))[:2]
write([row("chi2", chi2, "statistic", len(part), p)], len(d), len(part), [("other sites", len(d) - len(part))])
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "indo_rct.csv")
part = d[d.site == "3_UK"] if (d.site == "3_UK").any() else d[d.site == d.site.value_counts().index[-1]]
odds, p = stats.fisher_exact(pd.crosstab(part.rx, part.outcome).to_numpy())
write([row("p", p, "probability", len(part), p)], len(d), len(part), [("other sites", len(d) - len(part))])
""",
    ),
    Flaw(
        id="genes chosen before cross-validation", check="preprocessing", source="leukemia", data=real("leukemia_train.csv.gz"),
        plan="prediction of diagnosis from expression; selection inside of cross-validation; accuracy", outcome="diagnosis", design="prediction",
        flawed="""
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import NearestCentroid
d = pd.read_csv(DATA / "leukemia_train.csv.gz")
x = np.log10(np.clip(d.drop(columns=["sample", "diagnosis"]).to_numpy(float), 100, 16000))
chosen = SelectKBest(f_classif, k=50).fit_transform(x, d.diagnosis)
accuracy = cross_val_score(NearestCentroid(), chosen, d.diagnosis, cv=5).mean()
write([row("accuracy", accuracy, "probability", len(d))], len(d), len(d))
""",
        sound="""
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
d = pd.read_csv(DATA / "leukemia_train.csv.gz")
x = np.log10(np.clip(d.drop(columns=["sample", "diagnosis"]).to_numpy(float), 100, 16000))
accuracy = cross_val_score(make_pipeline(SelectKBest(f_classif, k=50), NearestCentroid()), x, d.diagnosis, cv=5).mean()
write([row("accuracy", accuracy, "probability", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="a model chosen by its test error", check="test_labels", source="lbw", data=real("lbw.csv"),
        plan="prediction of low from smoke, age, lwt, race, ptl, ht, ui; models chosen by cross-validation in the training set; accuracy", outcome="low", design="prediction",
        flawed="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
d = pd.read_csv(DATA / "lbw.csv")
x = d[["smoke", "age", "lwt", "race", "ptl", "ht", "ui"]]
a, b, y, z = train_test_split(x, d.low, test_size=0.4, random_state=SEED)
models = [RandomForestClassifier(50, random_state=SEED), KNeighborsClassifier(5), DecisionTreeClassifier(max_depth=3, random_state=SEED)]
hits = [accuracy_score(z, model.fit(a, y).predict(b)) for model in models]
write([row("accuracy", max(hits), "probability", len(z))], len(d), len(d))
""",
        sound="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
d = pd.read_csv(DATA / "lbw.csv")
x = d[["smoke", "age", "lwt", "race", "ptl", "ht", "ui"]]
a, b, y, z = train_test_split(x, d.low, test_size=0.4, random_state=SEED)
models = [RandomForestClassifier(50, random_state=SEED), KNeighborsClassifier(5), DecisionTreeClassifier(max_depth=3, random_state=SEED)]
inner = [cross_val_score(model, a, y, cv=5).mean() for model in models]
best = models[int(np.argmax(inner))]
write([row("accuracy", accuracy_score(z, best.fit(a, y).predict(b)), "probability", len(z))], len(d), len(d))
""",
    ),
    Flaw(
        id="scored on the rows it was fitted on", check="test_labels", source="asah", data=real("asah.csv"),
        plan="prediction of outcome from s100b, ndka, wfns and age by a forest; area under the curve by cross-validation", outcome="outcome", design="prediction",
        flawed="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
d = pd.read_csv(DATA / "asah.csv")
x, y = d[["s100b", "ndka", "wfns", "age"]], (d.outcome == "Poor").astype(int)
model = RandomForestClassifier(100, random_state=SEED).fit(x, y)
write([row("auc", roc_auc_score(y, model.predict_proba(x)[:, 1]), "probability", len(d))], len(d), len(d))
""",
        sound="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
d = pd.read_csv(DATA / "asah.csv")
x, y = d[["s100b", "ndka", "wfns", "age"]], (d.outcome == "Poor").astype(int)
p = cross_val_predict(RandomForestClassifier(100, random_state=SEED), x, y, cv=5, method="predict_proba")[:, 1]
write([row("auc", roc_auc_score(y, p), "probability", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="probabilities of a rebalanced model", check="calibration", source="sepsis (made)", data=made.rare_class,
        plan="prediction of sepsis from m0 to m9 by logistic regression; Brier score by cross-validation", outcome="sepsis", design="prediction",
        flawed="""
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import cross_val_predict
d = pd.read_csv(DATA / "sepsis.csv")
x = d[[f"m{at}" for at in range(10)]]
p = cross_val_predict(LogisticRegression(class_weight="balanced"), x, d.sepsis, cv=5, method="predict_proba")[:, 1]
write([row("brier", brier_score_loss(d.sepsis, p), "score", len(d))], len(d), len(d))
""",
        sound="""
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import cross_val_predict
d = pd.read_csv(DATA / "sepsis.csv")
x = d[[f"m{at}" for at in range(10)]]
p = cross_val_predict(LogisticRegression(), x, d.sepsis, cv=5, method="predict_proba")[:, 1]
write([row("brier", brier_score_loss(d.sepsis, p), "score", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="the rare class copied before the split", check="preprocessing", source="sepsis (made)", data=made.rare_class,
        plan="prediction of sepsis from m0 to m9 by a forest; area under the curve by cross-validation", outcome="sepsis", design="prediction",
        flawed="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
d = pd.read_csv(DATA / "sepsis.csv")
more = pd.concat([d] + [d[d.sepsis == 1]] * 5)
x = more[[f"m{at}" for at in range(10)]].to_numpy()
p = cross_val_predict(RandomForestClassifier(50, random_state=SEED), x, more.sepsis, cv=5, method="predict_proba")[:, 1]
write([row("auc", roc_auc_score(more.sepsis, p), "probability", len(d))], len(d), len(d))
""",
        sound="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
d = pd.read_csv(DATA / "sepsis.csv")
x = d[[f"m{at}" for at in range(10)]].to_numpy()
p = cross_val_predict(RandomForestClassifier(50, random_state=SEED), x, d.sepsis, cv=5, method="predict_proba")[:, 1]
write([row("auc", roc_auc_score(d.sepsis, p), "probability", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="genes chosen by hand before the folds", check="preprocessing", source="genes (made)", data=made.noise_genes,
        plan="prediction of tumour from genes; the twenty most correlated genes chosen inside of each fold; accuracy of the nearest centroid", outcome="tumour", design="prediction",
        flawed="""
d = pd.read_csv(DATA / "genes.csv")
x, y = d.drop(columns="tumour").to_numpy(), d.tumour.to_numpy()
strength = np.abs((x - x.mean(0)).T @ (y - y.mean())) / x.std(0)
chosen = x[:, np.argsort(strength)[-20:]]
hits = 0
for fold in np.arange(50) % 5 == np.arange(5)[:, None]:
    centre = [chosen[~fold & (y == k)].mean(0) for k in (0, 1)]
    far = [((chosen[fold] - c) ** 2).sum(1) for c in centre]
    hits += ((far[1] < far[0]).astype(int) == y[fold]).sum()
write([row("accuracy", hits / len(y), "probability", len(y))], len(y), len(y))
""",
        sound="""
d = pd.read_csv(DATA / "genes.csv")
x, y = d.drop(columns="tumour").to_numpy(), d.tumour.to_numpy()
hits = 0
for fold in np.arange(50) % 5 == np.arange(5)[:, None]:
    a, b = x[~fold], y[~fold]
    strength = np.abs((a - a.mean(0)).T @ (b - b.mean())) / a.std(0)
    chosen = np.argsort(strength)[-20:]
    centre = [a[b == k][:, chosen].mean(0) for k in (0, 1)]
    far = [((x[fold][:, chosen] - c) ** 2).sum(1) for c in centre]
    hits += ((far[1] < far[0]).astype(int) == y[fold]).sum()
write([row("accuracy", hits / len(y), "probability", len(y))], len(y), len(y))
""",
    ),
    Flaw(
        id="random numbers without a seed", check="seed", source="bcg", data=real("bcg.csv"),
        plan="bootstrap of the median risk ratio of trials", outcome="tpos",
        flawed="""
d = pd.read_csv(DATA / "bcg.csv")
ratio = (d.tpos / (d.tpos + d.tneg)) / (d.cpos / (d.cpos + d.cneg))
chance = np.random.default_rng()
draws = [np.median(chance.choice(ratio, len(ratio))) for _ in range(200)]
write([row("error", np.std(draws), "ratio", len(d))], len(d), len(d))
""",
        sound="""
d = pd.read_csv(DATA / "bcg.csv")
ratio = (d.tpos / (d.tpos + d.tneg)) / (d.cpos / (d.cpos + d.cneg))
chance = np.random.default_rng(SEED)
draws = [np.median(chance.choice(ratio, len(ratio))) for _ in range(200)]
write([row("error", np.std(draws), "ratio", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="another answer each time", check="determinism", source="bcg", data=real("bcg.csv"),
        plan="median risk ratio of trials over all orders", outcome="tpos",
        flawed="""
import time
d = pd.read_csv(DATA / "bcg.csv")
part = d.iloc[: 5 + time.perf_counter_ns() % 7]
ratio = (part.tpos / (part.tpos + part.tneg)) / (part.cpos / (part.cpos + part.cneg))
noise = (time.perf_counter_ns() % 997) * 1e-9
write([row("ratio", ratio.median() + noise, "ratio", len(d))], len(d), len(d))
""",
        sound="""
d = pd.read_csv(DATA / "bcg.csv")
ratio = (d.tpos / (d.tpos + d.tneg)) / (d.cpos / (d.cpos + d.cneg))
write([row("ratio", ratio.median(), "ratio", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="a test and a variable that nobody planned", check="unplanned", source="lbw", data=real("lbw.csv"), plan=_LOW, outcome="low", exposure="smoke",
        flawed=_LOGIT + _STATS + """
d = pd.read_csv(DATA / "lbw.csv")
m = smf.logit("low ~ age + lwt + C(race) + smoke + ptl + ht + ui + ftv", d).fit(disp=0)
rank = stats.spearmanr(d.ftv, d.age)
write([row("odds", np.exp(m.params["smoke"]), "ratio", len(d), m.pvalues["smoke"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "lbw.csv")
m = smf.logit("low ~ age + lwt + C(race) + smoke + ptl + ht + ui", d).fit(disp=0)
write([row("odds", np.exp(m.params["smoke"]), "ratio", len(d), m.pvalues["smoke"])], len(d), len(d))
""",
    ),
    Flaw(
        id="outliers left out after a look", check="post_hoc", source="asah", data=real("asah.csv"),
        plan="rank test (Mann-Whitney) of s100b between outcome groups; all patients", outcome="outcome", exposure="s100b",
        flawed=_STATS + """
d = pd.read_csv(DATA / "asah.csv")
high = d.s100b.quantile(0.95)
part = d[d.s100b < high]
t = stats.mannwhitneyu(part.s100b[part.outcome == "Poor"], part.s100b[part.outcome == "Good"])
write([row("u", t.statistic, "statistic", len(part), t.pvalue)], len(d), len(part), [("extreme", len(d) - len(part))])
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "asah.csv")
t = stats.mannwhitneyu(d.s100b[d.outcome == "Poor"], d.s100b[d.outcome == "Good"])
write([row("u", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
    ),
    Flaw(
        id="missing values filled with the mean", check="missingness", source="cholesterol (made)", data=made.incomes,
        plan="logistic regression of died on cholesterol and age; complete cases", outcome="died", exposure="cholesterol",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "cholesterol.csv")
d["cholesterol"] = d.cholesterol.fillna(d.cholesterol.mean())
m = smf.logit("died ~ cholesterol + age", d).fit(disp=0)
write([row("odds", np.exp(m.params["cholesterol"]), "ratio", len(d), m.pvalues["cholesterol"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "cholesterol.csv")
c = d.dropna()
m = smf.logit("died ~ cholesterol + age", c).fit(disp=0)
write([row("odds", np.exp(m.params["cholesterol"]), "ratio", len(c), m.pvalues["cholesterol"])], len(d), len(c), [("missing", len(d) - len(c))])
""",
    ),
    Flaw(
        id="an identifier among the predictors", check="identifier_predictors", source="nhefs", data=real("nhefs_complete.csv"),
        plan="linear regression of wt82_71 on qsmk, age and sex", outcome="wt82_71", exposure="qsmk",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "nhefs_complete.csv")
m = smf.ols("wt82_71 ~ qsmk + age + sex + seqn", d).fit(cov_type="HC3")
write([row("effect", m.params["qsmk"], "kg", len(d), m.pvalues["qsmk"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "nhefs_complete.csv")
m = smf.ols("wt82_71 ~ qsmk + age + sex", d).fit(cov_type="HC3")
write([row("effect", m.params["qsmk"], "kg", len(d), m.pvalues["qsmk"])], len(d), len(d))
""",
    ),
    Flaw(
        id="squares in a narrow type", check="integer_overflow", source="lbw", data=real("lbw.csv"),
        plan="mean of the square of bwt", outcome="bwt",
        flawed="""
d = pd.read_csv(DATA / "lbw.csv")
grams = d.bwt.to_numpy().astype(np.int16)
write([row("mean_square", (grams * grams).mean(), "square grams", len(d))], len(d), len(d))
""",
        sound="""
d = pd.read_csv(DATA / "lbw.csv")
grams = d.bwt.to_numpy().astype(np.float64)
write([row("mean_square", (grams * grams).mean(), "square grams", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="paired measurements taken as two groups", check="paired", source="pressure (made)", data=made.before_after,
        plan="paired t test of before and after", outcome="after",
        flawed=_STATS + """
d = pd.read_csv(DATA / "pressure.csv")
t = stats.ttest_ind(d.before, d.after)
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "pressure.csv")
t = stats.ttest_rel(d.before, d.after)
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
    ),
    Flaw(
        id="Lord's paradox", check="baseline", source="diet (made)", data=made.lord,
        plan="analysis of covariance: linear regression of end_weight on diet and start_weight", outcome="end_weight", exposure="diet",
        flawed=_STATS + """
d = pd.read_csv(DATA / "diet.csv")
change = d.end_weight - d.start_weight
t = stats.ttest_ind(change[d.diet == 1], change[d.diet == 0], equal_var=False)
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "diet.csv")
d["change"] = d.end_weight - d.start_weight
m = smf.ols("change ~ diet + start_weight", d).fit()
write([row("effect", m.params["diet"], "kg", len(d), m.pvalues["diet"])], len(d), len(d))
""",
    ),
    Flaw(
        id="people entered twice", check="duplicates", source="entered (made)", data=made.twice_entered,
        plan="t test of score between arm 0 and arm 1", outcome="score", exposure="arm", design="randomised_trial",
        flawed=_STATS + """
d = pd.read_csv(DATA / "entered.csv")
t = stats.ttest_ind(d.score[d.arm == 1], d.score[d.arm == 0], equal_var=False)
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
        sound=_STATS + """
raw = pd.read_csv(DATA / "entered.csv")
d = raw.drop_duplicates()
t = stats.ttest_ind(d.score[d.arm == 1], d.score[d.arm == 0], equal_var=False)
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(raw), len(d), [("entered twice", len(raw) - len(d))])
""",
    ),
    Flaw(
        id="inches among centimetres", check="impossible_values", source="spirometry (made)", data=made.two_units,
        plan="linear regression of lung_volume on height and age", outcome="lung_volume", exposure="height",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "spirometry.csv")
m = smf.ols("lung_volume ~ height + age", d).fit(cov_type="HC3")
write([row("slope", m.params["height"], "l/cm", len(d), m.pvalues["height"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "spirometry.csv")
d["height"] = d.height.where(d.height > 100, d.height * 2.54)
m = smf.ols("lung_volume ~ height + age", d).fit(cov_type="HC3")
write([row("slope", m.params["height"], "l/cm", len(d), m.pvalues["height"])], len(d), len(d))
""",
    ),
    Flaw(
        id="people who left before they came", check="impossible_values", source="follow (made)", data=made.impossible,
        plan="mean of days and its linear regression on age, for those with possible times", outcome="days", exposure="age",
        flawed="""
d = pd.read_csv(DATA / "follow.csv")
write([row("mean_days", d.days.mean(), "days", len(d))], len(d), len(d))
""",
        sound="""
d = pd.read_csv(DATA / "follow.csv")
c = d[d.days > 0]
write([row("mean_days", c.days.mean(), "days", len(c))], len(d), len(c), [("negative time", len(d) - len(c))])
""",
    ),
    Flaw(
        id="crossing hazards in a Cox model", check="proportional_hazards", source="crossing (made)", data=made.crossing,
        plan="Cox model of death (died, months) by arm if hazards are proportional, else restricted mean survival", outcome="died", exposure="arm", design="randomised_trial",
        flawed="""
from lifelines import CoxPHFitter
d = pd.read_csv(DATA / "crossing.csv")
m = CoxPHFitter().fit(d[["months", "died", "arm"]], "months", "died")
write([row("hr", m.hazard_ratios_["arm"], "ratio", len(d), m.summary["p"]["arm"])], len(d), len(d))
""",
        sound="""
from lifelines import KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time
d = pd.read_csv(DATA / "crossing.csv")
mean = [restricted_mean_survival_time(KaplanMeierFitter().fit(p.months, p.died), t=600) for _, p in d.groupby("arm")]
write([row("difference", mean[1] - mean[0], "months", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="separation", check="separation", source="mutation (made)", data=made.separated,
        plan="exact test (Fisher) of ill between carriers of the mutation and others; logistic regression with age", outcome="ill", exposure="mutation",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "mutation.csv")
m = smf.logit("ill ~ mutation + age", d).fit(disp=0)
write([row("odds", min(np.exp(m.params["mutation"]), 1e9), "ratio", len(d))], len(d), len(d))
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "mutation.csv")
p = stats.fisher_exact(pd.crosstab(d.mutation, d.ill).to_numpy())[1]
write([row("p", p, "probability", len(d), p)], len(d), len(d))
""",
    ),
    Flaw(
        id="a model that did not converge, silenced", check="convergence", source="sleepstudy", data=real("sleepstudy.csv"),
        plan="linear mixed model of Reaction on Days with random intercept and slope for each Subject", outcome="Reaction", exposure="Days",
        flawed=_LOGIT + """
import warnings
warnings.filterwarnings("ignore")
d = pd.read_csv(DATA / "sleepstudy.csv")
m = smf.mixedlm("Reaction ~ Days", d, groups=d.Subject, re_formula="~Days").fit(method="cg", maxiter=1)
write([row("slope", m.fe_params["Days"], "ms a day", len(d))], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "sleepstudy.csv")
m = smf.mixedlm("Reaction ~ Days", d, groups=d.Subject, re_formula="~Days").fit(method="lbfgs")
write([row("slope", m.fe_params["Days"], "ms a day", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="overdispersed counts", check="overdispersion", source="seizures (made)", data=made.counts,
        plan="rate ratio of seizures by drug; Poisson regression with dispersion estimated", outcome="seizures", exposure="drug", design="randomised_trial",
        flawed="""
import statsmodels.api as sm
import statsmodels.formula.api as smf
d = pd.read_csv(DATA / "seizures.csv")
m = smf.glm("seizures ~ drug", d, family=sm.families.Poisson()).fit()
write([row("rate_ratio", np.exp(m.params["drug"]), "ratio", len(d), m.pvalues["drug"])], len(d), len(d))
""",
        sound="""
import statsmodels.api as sm
import statsmodels.formula.api as smf
d = pd.read_csv(DATA / "seizures.csv")
m = smf.glm("seizures ~ drug", d, family=sm.families.Poisson()).fit(scale="X2")
write([row("rate_ratio", np.exp(m.params["drug"]), "ratio", len(d), m.pvalues["drug"])], len(d), len(d))
""",
    ),
    Flaw(
        id="pooled variance of uneven groups", check="heteroscedasticity", source="uneven (made)", data=made.uneven,
        plan="Welch t test of marker between the levels of group", outcome="marker", exposure="group",
        flawed=_STATS + """
d = pd.read_csv(DATA / "uneven.csv")
t = stats.ttest_ind(d.marker[d.group == 1], d.marker[d.group == 0])
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "uneven.csv")
t = stats.ttest_ind(d.marker[d.group == 1], d.marker[d.group == 0], equal_var=False)
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
    ),
    Flaw(
        id="a t test on a dozen skewed values", check="normality", source="titres (made)", data=made.skewed,
        plan="rank test (Mann-Whitney) of titre between the levels of group, t test if normal", outcome="titre", exposure="group",
        flawed=_STATS + """
d = pd.read_csv(DATA / "titres.csv")
t = stats.ttest_ind(d.titre[d.group == 1], d.titre[d.group == 0], equal_var=False)
write([row("t", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "titres.csv")
t = stats.mannwhitneyu(d.titre[d.group == 1], d.titre[d.group == 0])
write([row("u", t.statistic, "statistic", len(d), t.pvalue)], len(d), len(d))
""",
    ),
    Flaw(
        id="one row carries the slope", check="influence", source="response (made)", data=made.lever,
        plan="association of dose and response: Spearman correlation, or linear regression if no row is influential", outcome="response", exposure="dose",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "response.csv")
m = smf.ols("response ~ dose", d).fit()
write([row("slope", m.params["dose"], "units", len(d), m.pvalues["dose"])], len(d), len(d))
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "response.csv")
t = stats.spearmanr(d.dose, d.response)
write([row("rho", t.statistic, "correlation", len(d), t.pvalue)], len(d), len(d))
""",
    ),
    Flaw(
        id="the same thing twice among the predictors", check="collinearity", source="pressure_weight (made)", data=made.two_scales,
        plan="linear regression of sbp on weight_kg (weight_lb is the same on another scale)", outcome="sbp", exposure="weight_kg",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "pressure_weight.csv")
m = smf.ols("sbp ~ weight_kg + weight_lb", d).fit()
write([row("slope", m.params["weight_kg"], "mmHg/kg", len(d), m.pvalues["weight_kg"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "pressure_weight.csv")
m = smf.ols("sbp ~ weight_kg", d).fit()
write([row("slope", m.params["weight_kg"], "mmHg/kg", len(d), m.pvalues["weight_kg"])], len(d), len(d))
""",
    ),
    Flaw(
        id="eight predictors for fourteen events", check="events_per_variable", source="relapse (made)", data=made.few_events,
        plan="logistic regression of relapse on marker1 (others marker2 marker3 marker4 marker5 marker6 marker7 marker8)", outcome="relapse", exposure="marker1",
        flawed=_LOGIT + """
d = pd.read_csv(DATA / "relapse.csv")
m = smf.logit("relapse ~ marker1 + marker2 + marker3 + marker4 + marker5 + marker6 + marker7 + marker8", d).fit(disp=0)
write([row("odds", np.exp(m.params["marker1"]), "ratio", len(d), m.pvalues["marker1"])], len(d), len(d))
""",
        sound=_LOGIT + """
d = pd.read_csv(DATA / "relapse.csv")
m = smf.logit("relapse ~ marker1", d).fit(disp=0)
write([row("odds", np.exp(m.params["marker1"]), "ratio", len(d), m.pvalues["marker1"])], len(d), len(d))
""",
    ),
    Flaw(
        id="a patient on both sides of a split", check="subject_overlap", source="gait (made)", data=made.visits,
        plan="prediction of ill from gait1 to gait6 by a forest, folds by patient_id; area under the curve", outcome="ill", design="prediction",
        flawed="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
d = pd.read_csv(DATA / "gait.csv")
x = d[[f"gait{at}" for at in range(1, 7)]].to_numpy()
folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
p = cross_val_predict(RandomForestClassifier(50, random_state=SEED), x, d.ill, cv=folds, method="predict_proba")[:, 1]
write([row("auc", roc_auc_score(d.ill, p), "probability", len(d))], len(d), len(d))
""",
        sound="""
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
d = pd.read_csv(DATA / "gait.csv")
x = d[[f"gait{at}" for at in range(1, 7)]].to_numpy()
p = cross_val_predict(RandomForestClassifier(50, random_state=SEED), x, d.ill, groups=d.patient_id, cv=GroupKFold(5), method="predict_proba")[:, 1]
write([row("auc", roc_auc_score(d.ill, p), "probability", len(d))], len(d), len(d))
""",
    ),
    Flaw(
        id="twenty proteins, the smallest p reported", check="multiplicity", source="proteins (made)", data=made.panel,
        plan="t tests of protein1 to protein20 between ill and others with the false discovery rate controlled", outcome="ill",
        flawed=_STATS + """
d = pd.read_csv(DATA / "proteins.csv")
p = [stats.ttest_ind(d.loc[d.ill == 1, f"protein{at}"], d.loc[d.ill == 0, f"protein{at}"], equal_var=False).pvalue for at in range(1, 21)]
write([row("smallest_p", min(p), "probability", len(d), min(p))], len(d), len(d))
""",
        sound=_STATS + """
d = pd.read_csv(DATA / "proteins.csv")
p = [stats.ttest_ind(d.loc[d.ill == 1, f"protein{at}"], d.loc[d.ill == 0, f"protein{at}"], equal_var=False).pvalue for at in range(1, 21)]
q = stats.false_discovery_control(p)
write([row("smallest_q", min(q), "probability", len(d), min(q))], len(d), len(d))
""",
    ),
    Flaw(
        id="the sickest leave, and are censored", check="informative_censoring", source="hospice (made)", data=made.leaving, other_data=made.staying,
        plan="Cox model of death (died, days) by severe disease", outcome="died", exposure="severe",
        flawed="""
from lifelines import CoxPHFitter
d = pd.read_csv(DATA / "hospice.csv")
m = CoxPHFitter().fit(d[["days", "died", "severe"]], "days", "died")
write([row("hr", m.hazard_ratios_["severe"], "ratio", len(d), m.summary["p"]["severe"])], len(d), len(d))
""",
        sound="""
from lifelines import CoxPHFitter
d = pd.read_csv(DATA / "hospice.csv")
m = CoxPHFitter().fit(d[["days", "died", "severe"]], "days", "died")
write([row("hr", m.hazard_ratios_["severe"], "ratio", len(d), m.summary["p"]["severe"])], len(d), len(d))
""",
    ),
    Flaw(
        id="a flow that does not add up", check="denominators", source="lung", data=real("lung.csv"),
        plan="median of age for patients with known weight loss (wt.loss)", outcome="age",
        flawed="""
d = pd.read_csv(DATA / "lung.csv")
c = d.dropna(subset=["wt.loss"])
write([row("median_age", c.age.median(), "years", len(d))], len(d), len(c))
""",
        sound="""
d = pd.read_csv(DATA / "lung.csv")
c = d.dropna(subset=["wt.loss"])
write([row("median_age", c.age.median(), "years", len(c))], len(d), len(c), [("weight loss unknown", len(d) - len(c))])
""",
    ),
)  # fmt: skip
