"""What a script says in the study of the gated arm, as planner, programmer and reporter.

The plan promises what can be counted in the data; the predictions are a file beside the results, as the question asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from counterproof.agents.prompts import fill
from counterproof.scenarios.scripted.reading import Asked, read_prompt

_PYTHON = """

def results():
    import json

    train, test = read(TASK["train"])[1], read(TASK["test"])[1]
    counted = {"n_train": len(train), "n_test": len(test)}
    rows = [
        {"id": name, "label": name, "value": at, "unit": "count", "n": at, "method": "counting", "population": "all"}
        for name, at in counted.items()
    ]
    out = Path(os.environ["COUNTERPROOF_OUT"])
    (out / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": rows}))
    total = len(train) + len(test)
    flow = {"schema": "counterproof/flow/1", "assessed": total, "excluded": [], "analysed": total}
    (out / "flow.json").write_text(json.dumps(flow))


results()
"""
_R = """
counted <- list(n_train = nrow(train), n_test = nrow(test))
rows <- lapply(names(counted), function(name) {
  list(id = name, label = name, value = counted[[name]], unit = "count", n = counted[[name]], method = "counting",
       population = "all")
})
out <- Sys.getenv("COUNTERPROOF_OUT")
write <- function(x, name) jsonlite::write_json(x, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = rows), "results.json")
total <- nrow(train) + nrow(test)
write(list(schema = "counterproof/flow/1", assessed = total, excluded = list(), analysed = total), "flow.json")
"""


def study_answer(system: str, text: str, program: Callable[[Asked], str]) -> str:
    """Return what a script says to a request of a study.

    Args:
        system: the first message.
        text: all that was sent, without the model's own words.
        program: the script's program for a task.
    """
    asked = read_prompt(text)
    if system.startswith(fill("planner")):
        return json.dumps(_plan(text, asked))
    if system.startswith(fill("reporter")):
        return json.dumps(_REPORT)
    code = program(asked) + (_R if asked.language == "r" else _PYTHON)
    return json.dumps({"language": asked.language, "code": code, "notes": "A penalised linear model; see the plan."})


_REPORT = {
    "methods": "A penalised linear model was fitted to the training samples alone.",
    "results": "There were {{n_train.value}} training samples and {{n_test.value}} test samples.",
    "limitations": "The test samples come from elsewhere, so the model may do worse on them.",
}


def _plan(text: str, asked: Asked) -> dict[str, Any]:
    question = text.partition("Question:\n")[2].partition("\n\nCodebook:")[0]
    return {
        "title": f"Prediction of {asked.target}",
        "question": question,
        "design": "prediction",
        "estimand": {
            "population": "all samples",
            "treatment": "none; this is a prediction",
            "variable": asked.target,
            "intercurrent_events": [],
            "summary_measure": "one prediction for each test sample, and how many samples there are",
        },
        "outcomes": [
            {
                "id": "target",
                "definition": f"{asked.target}, as in {asked.train}",
                "kind": "binary" if asked.classes else "continuous",
                "columns": [asked.target],
            }
        ],
        "methods": [
            {
                "id": "counting",
                "model": "descriptive",
                "description": "Counts of the samples of either file.",
                "assumptions": [{"assumption": "one row is one sample", "check": "by design", "if_violated": "say so"}],
            }
        ],
        "results": [
            {"id": "n_train", "label": "training samples", "unit": "count", "method": "counting", "primary": True},
            {"id": "n_test", "label": "test samples", "unit": "count", "method": "counting"},
        ],
        "missing_data": {"method": "none_expected", "details": "every value is there"},
        "multiplicity": {"method": "single_test", "reason": "nothing is tested"},
    }
