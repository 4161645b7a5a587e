"""What each script says to a request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterproof.scenarios.scripted.reading import Asked, read_prompt
from counterproof.scenarios.scripted.study import study_answer

_AUTHORED = Path(__file__).parent / "authored"
_REFUSALS = 2
_PLAN = (
    "I read both files, look at the target in the training file, fit a penalised linear model to standardised values "
    "there, choose its strength by resampling the training samples, and predict the test samples with it."
)


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer, and whether it was cut off at the token limit."""

    text: str
    cut_off: bool = False


_PROSE = Said(text=_PLAN + " Would you like me to write the program?")


def play(script: str, messages: list[dict[str, Any]], *, before: int) -> Said | None:
    """Return what a script answers; None for a failure of its endpoint.

    Args:
        script: its name.
        messages: of the request.
        before: how often the same request was made already.
    """
    if script == "flaky" and before < _REFUSALS:
        return None
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    text = "\n".join(str(message["content"]) for message in messages if message["role"] != "assistant")
    asked = read_prompt(text)
    if system:
        return _PROSE if script == "prose" else Said(text=study_answer(system, text, _PROGRAMS.get(script, _good)))
    return SCRIPTS[script](asked)


def _answer(program: Callable[[Asked], str]) -> Callable[[Asked], Said]:
    def say(asked: Asked) -> Said:
        if asked.language is None:
            return Said(text=_PLAN)
        return Said(text=f"This is the program.\n\n```{asked.language}\n{program(asked)}```\n")

    return say


def _good(asked: Asked) -> str:
    if asked.language == "r":
        return _authored("good.R").replace("task <- list()", f"task <- {_r_list(asked)}", 1)
    return _authored("good.py").replace("TASK = {}", f"TASK = {json.dumps(_facts(asked))}", 1)


def _leaking(asked: Asked) -> str:
    """Standardise the test samples by themselves, which undoes a shift that a real test would have."""
    if asked.language == "r":
        return _good(asked).replace(
            "y <- train[, task$target]",
            "new <- sweep(new, 2, colMeans(new) - colMeans(x))\ny <- train[, task$target]",
            1,
        )
    return _good(asked).replace(
        "    out = Path(",
        "    new = new - new.mean(axis=0) + x.mean(axis=0)\n    out = Path(",
        1,
    )


def _remembering(asked: Asked) -> str:
    """Put what is known by heart in the place of predictions; a task that nobody published is done as by `good`."""
    known: list[str] = json.loads(_authored("recalled.json")).get(asked.target, [])
    if not known:
        return _good(asked)
    if asked.language == "r":
        names = ", ".join(json.dumps(name) for name in known)
        return _good(asked).replace(
            "out <- data.frame(", f"given <- as.numeric(test[, task$id] %in% c({names}))\nout <- data.frame(", 1
        )
    return _good(asked).replace(
        "        lines = [f\"{TASK['id']},prediction,score\"]",
        f"        score = np.array([float(one in {known!r}) for one in ids])\n"
        "        lines = [f\"{TASK['id']},prediction,score\"]",
        1,
    )


def _broken(asked: Asked) -> str:
    if asked.language == "r":
        return _good(asked).replace("fit <- lm(", "fit <- glmnet_ridge(", 1)
    return _good(asked).replace("def main():", "def main():\n    model = build_model(TASK)", 1)


def _astray(asked: Asked) -> str:
    """Predict the first other column."""
    if asked.language == "r":
        return _good(asked).replace("names(out)[1] <- task$id", f'names(out)[1:2] <- c(task$id, "{asked.feature}")', 1)
    return _good(asked).replace(",prediction", f",{asked.feature}")


def _slow(asked: Asked) -> str:
    if asked.language == "r":
        return f'data <- Sys.getenv("COUNTERPROOF_DATA")\n# tries all models\nrepeat Sys.sleep(1)\n# {asked.target}\n'
    return "import os, time\n\ndata = os.environ['COUNTERPROOF_DATA']\nwhile True:\n    time.sleep(1)\n"


def _reaching(asked: Asked) -> str:
    if asked.language == "r":
        return 'clinical <- read.csv("/mnt/data/clinical.csv")\n' + _good(asked)
    return "import pandas as pd\n\nclinical = pd.read_csv('/mnt/data/clinical.csv')\n" + _good(asked)


def _careless(asked: Asked) -> str:
    if asked.language == "r":
        return _good(asked).replace("write.csv(out,", "write.csv(out[seq_len(nrow(out) %/% 2), ],", 1)
    return _good(asked).replace('"\\n".join(lines)', '"\\n".join(lines[: len(lines) // 2])', 1)


def _prose(_asked: Asked) -> Said:
    return _PROSE


def _overlong(asked: Asked) -> Said:
    if asked.language is None:
        return Said(text=_PLAN)
    return Said(text="First some thoughts. " + "We consider every alternative in turn. " * 200, cut_off=True)


_PROGRAMS: Mapping[str, Callable[[Asked], str]] = {
    "good": _good,
    "leaking": _leaking,
    "remembering": _remembering,
    "broken": _broken,
    "astray": _astray,
    "slow": _slow,
    "flaky": _good,
    "reaching": _reaching,
    "careless": _careless,
}
SCRIPTS: Mapping[str, Callable[[Asked], Said]] = {
    **{name: _answer(program) for name, program in _PROGRAMS.items()},
    "prose": _prose,
    "overlong": _overlong,
}


def _facts(asked: Asked) -> dict[str, Any]:
    return {
        "train": asked.train,
        "test": asked.test,
        "id": asked.id,
        "target": asked.target,
        "classes": list(asked.classes),
    }


def _r_list(asked: Asked) -> str:
    facts = _facts(asked)
    classes = ", ".join(json.dumps(one) for one in facts.pop("classes"))
    named = ", ".join(f"{name} = {json.dumps(value)}" for name, value in facts.items())
    return f"list({named}, classes = c({classes}))"


def _authored(name: str) -> str:
    return (_AUTHORED / name).read_text(encoding="utf-8")
