"""Check: what is random begins with the plan's seed."""

from __future__ import annotations

import re

from counterproof.tools.checks.verdict import Check, judged, not_applicable
from counterproof.tools.static_facts import Call, Facts

_ID = "seed"
_TITLE = "Does everything random begin with the plan's seed?"
_SEED = "COUNTERPROOF_SEED"
_LEGACY = re.compile(
    r"(?:^|\.)random\.(?:rand|randn|randint|choice|shuffle|permutation|normal|uniform|binomial|poisson|random)$"
)
_TAKES_STATE = (
    "train_test_split",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "GradientBoostingClassifier",
    "ShuffleSplit",
    "StratifiedShuffleSplit",
    "GroupShuffleSplit",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
    "resample",
    "MLPClassifier",
    "ExtraTreesClassifier",
    "permutation_test_score",
)
_R_RANDOM = (
    "sample",
    "sample.int",
    "rnorm",
    "runif",
    "rbinom",
    "rpois",
    "rexp",
    "boot",
    "createFolds",
    "randomForest",
    "cv.glmnet",
)


def check_seed(facts: Facts, text: str) -> Check:
    """Fail where random numbers are drawn that do not begin with COUNTERPROOF_SEED.

    Python: a generator without a seed, numbers of the old global generator without `seed`, estimators and splits of
    scikit-learn that take a `random_state` and get none, `shuffle=True` without one. R: draws without `set.seed`. A
    seed that is a number of the text instead of the plan's warns.

    Not able to see random numbers that a library draws without being asked.

    References
    ----------
    Sandve GK, et al. Ten simple rules for reproducible computational research, rule 6. PLoS Comput Biol
    2013;9:e1003285. doi:10.1371/journal.pcbi.1003285
    """
    random = [call for call in facts.calls if _is_random(call, facts.language)]
    if not random:
        return not_applicable(_ID, _TITLE, "the program draws no random numbers that the text shows")
    seeded = bool(facts.called("seed", "set.seed"))
    fail = [f"line {call.line}: {call.name}() without a seed" for call in random if not seeded and not _has_seed(call)]
    warn = [] if _SEED in text else [f"the seed is not the plan's: {_SEED} is never read"]
    return judged(_ID, _TITLE, fail=fail, warn=warn, looked_at=f"{len(random)} random calls, seeded")


def _is_random(call: Call, language: str) -> bool:
    if language == "r":
        return call.last in _R_RANDOM
    if call.last == "default_rng" or call.last == "RandomState" or call.last in _TAKES_STATE:
        return True
    if call.last in ("KFold", "StratifiedKFold", "StratifiedGroupKFold") and call.named.get("shuffle") == "True":
        return True
    return bool(_LEGACY.search(call.name)) or (
        call.last == "sample" and "." in call.name and call.name != "random.sample"
    )


def _has_seed(call: Call) -> bool:
    given = [
        *(call.args if call.last in ("default_rng", "RandomState") else ()),
        call.named.get("random_state", ""),
        call.named.get("seed", ""),
    ]
    return any(value not in ("", "None") for value in given)
