"""Programs as a model writes them, for published tables: each reads one table and fits what its question asks for.

Written by hand for these tests; `d` is the data frame.
"""

from __future__ import annotations

ABOUT = "import numpy as np, pandas as pd, warnings; warnings.simplefilter('ignore')\n"
SURVIVAL = "from lifelines import CoxPHFitter, KaplanMeierFitter; from lifelines.statistics import logrank_test\n"
MODELS = "import statsmodels.api as sm, statsmodels.formula.api as smf\n"

PROGRAMS: dict[str, dict[str, str]] = {
    "lung.csv": {
        "Kaplan-Meier and log-rank": SURVIVAL + "e = (d.status == 2).astype(int); m, w = d.sex == 1, d.sex == 2\n"
        "r = logrank_test(d.time[m], d.time[w], e[m], e[w]).p_value\n"
        "k = KaplanMeierFitter().fit(d.time, e); float(k.predict(365))",
        "Cox": SURVIVAL + "d['event'] = (d.status == 2).astype(int)\n"
        "f = CoxPHFitter().fit(d[['time', 'event', 'sex', 'age', 'ph.karno']].dropna(), 'time', 'event')\n"
        "float(f.summary.loc['sex', 'exp(coef)'])",
        "Cox with categories": SURVIVAL
        + "d['event'] = (d.status == 2).astype(int); d['ecog'] = d['ph.ecog'].clip(upper=2)\n"
        "x = d[['time', 'event', 'sex', 'ecog']].dropna().astype({'ecog': int})\n"
        "x = pd.get_dummies(x, columns=['ecog'], drop_first=True, dtype=float)\nCoxPHFitter().fit(x, 'time', 'event')",
        "assertions": "assert d.time.gt(0).all() and set(d.status) <= {1, 2} and set(d.sex) <= {1, 2}\n"
        "assert d['meal.cal'].isna().any() and d.time.dtype == 'int64'",
    },
    "lbw.csv": {
        "two by two": "t = pd.crosstab(d.smoke, d.low); t.loc[1, 1] * t.loc[0, 0] / t.loc[1, 0] / t.loc[0, 1]",
        "logistic": MODELS
        + "m = smf.logit('low ~ age + lwt + C(race) + smoke + ptl + ht + ui', d).fit(disp=0)\nfloat(m.params['smoke'])",
        "linear": MODELS + "smf.ols('bwt ~ smoke * age + C(race)', d).fit().params",
        "checks": "assert set(d.low) == {0, 1} and set(d.race) == {1, 2, 3}; assert d.bwt[d.low == 1].mean() < 2600",
    },
    "whickham.csv": {
        "strata": "g = d.assign(dead=d.vital_status_20y == 'Dead', old=pd.cut(d.age_baseline, [0, 45, 65, 120]))\n"
        "g.groupby(['old', 'smoker'], observed=True).dead.mean().unstack()['Yes']",
        "logistic": MODELS + "d['dead'] = (d.vital_status_20y == 'Dead').astype(int)\n"
        "smf.logit('dead ~ C(smoker) + age_baseline', d).fit(disp=0).params['C(smoker)[T.Yes]']",
        "Mantel-Haenszel": MODELS + "d['old'] = pd.cut(d.age_baseline, [0, 45, 65, 120])\n"
        "t = [pd.crosstab(x.smoker, x.vital_status_20y).loc[['No', 'Yes'], ['Alive', 'Dead']].to_numpy()"
        " for _, x in d.groupby('old', observed=True)]\nsm.stats.StratifiedTable(t).oddsratio_pooled",
    },
    "babies_coded.csv": {
        "means": "d.loc[d.smoke == 9, 'smoke'] = np.nan; d.groupby('smoke').bwt.agg(['mean', 'std', 'size'])",
        "missing codes": "codes = {'gestation': 999, 'age': 99, 'height': 99, 'weight': 999, 'smoke': 9}\n"
        "for c, v in codes.items(): d[c] = d[c].where(d[c] != v)\nassert d.notna().all(axis=1).sum() > 500",
        "linear": MODELS
        + "x = d[(d.gestation < 900) & (d.age < 99) & (d.height < 99) & (d.weight < 900) & (d.smoke < 9)]\n"
        "smf.ols('bwt ~ smoke + gestation + parity + age + height + weight', x).fit().params['smoke']",
    },
    "sleepstudy.csv": {
        "mixed model": MODELS
        + "smf.mixedlm('Reaction ~ Days', d, groups=d.Subject, re_formula='~Days').fit().fe_params",
        "per subject": "s = d.groupby('Subject').apply(\n"
        "    lambda x: np.polyfit(x.Days, x.Reaction, 1)[0], include_groups=False)\n"
        "assert len(s) == d.Subject.nunique() > 10",
        "design": "assert d.groupby('Subject').Days.apply(list).map(lambda x: x == sorted(set(x))).all()\n"
        "assert d.pivot(index='Subject', columns='Days', values='Reaction').notna().all().all()",
    },
    "heart_transplant.csv": {
        "intervals": "t = {c: pd.to_datetime(d[c]) for c in ('birth.dt', 'accept.dt', 'tx.date', 'fu.date')}\n"
        "assert ((t['fu.date'] - t['accept.dt']).dt.days == d.futime).mean() > 0.9\n"
        "assert (t['tx.date'].dropna() >= t['accept.dt'][t['tx.date'].notna()]).all()",
        "time-dependent Cox": "from lifelines import CoxTimeVaryingFitter\nrows = []\n"
        "for i, r in d.iterrows():\n"
        "    end = max(r.futime, 0.5)\n"
        "    w = r['wait.time'] if r.transplant == 1 and r['wait.time'] == r['wait.time'] else None\n"
        "    if w is not None and 0 < w < end:\n"
        "        rows += [(i, 0, w, 0, 0), (i, w, end, 1, r.fustat)]\n"
        "    else:\n"
        "        rows.append((i, 0, end, int(w is not None), r.fustat))\n"
        "x = pd.DataFrame(rows, columns=['id', 'start', 'stop', 'tx', 'event'])\n"
        "CoxTimeVaryingFitter().fit(x, id_col='id', event_col='event', start_col='start', stop_col='stop')",
        "Cox": SURVIVAL
        + "d['t'] = d.futime.clip(lower=0.5); CoxPHFitter().fit(d[['t', 'fustat', 'age', 'surgery']], 't', 'fustat')",
    },
    "asah.csv": {
        "ROC": "from sklearn.metrics import roc_auc_score\nroc_auc_score(d.outcome == 'Poor', d.s100b)",
        "logistic": MODELS + "d['poor'] = (d.outcome == 'Poor').astype(int)\n"
        "smf.logit('poor ~ np.log(s100b) + age + C(gender)', d).fit(disp=0).params",
        "rank test": "from scipy.stats import mannwhitneyu\n"
        "mannwhitneyu(d.ndka[d.outcome == 'Good'], d.ndka[d.outcome == 'Poor']).pvalue",
    },
    "indo_rct.csv": {
        "two by two": "t = pd.crosstab(d.rx, d.outcome).loc[['0_placebo', '1_indomethacin'], ['0_no', '1_yes']]\n"
        "from scipy.stats import chi2_contingency\nchi2_contingency(t).pvalue",
        "logistic": MODELS + "d['y'] = (d.outcome == '1_yes').astype(int)\n"
        "smf.logit('y ~ C(rx) + risk + C(gender)', d).fit(disp=0).params",
        "by site": "d['y'] = d.outcome == '1_yes'; d.groupby(['site', 'rx']).y.mean().unstack()",
    },
    "nhefs_complete.csv": {
        "crude": "d.groupby('qsmk').wt82_71.mean().diff().iloc[-1]",
        "weighting": MODELS + "x = d.dropna(subset=['wt82_71'])\n"
        "f = 'qsmk ~ sex + race + age + I(age**2) + C(education) + smokeintensity'\n"
        "p = smf.logit(f + ' + smokeyrs + C(exercise) + C(active) + wt71', x).fit(disp=0).predict(x)\n"
        "w = np.where(x.qsmk == 1, 1 / p, 1 / (1 - p))\n"
        "smf.wls('wt82_71 ~ qsmk', x, weights=w).fit().params['qsmk']",
        "change": "assert np.isclose(d.wt82 - d.wt71, d.wt82_71, atol=0.01, equal_nan=True).mean() > 0.9",
    },
}
