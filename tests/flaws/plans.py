"""The plan of a flaw's study."""

from __future__ import annotations

from counterproof.tools.plan import Plan
from counterproof.tools.results import ResultsFile

from .flaw import Flaw


def plan_of(flaw: Flaw, results: ResultsFile | None = None) -> Plan:
    """Return a plan that names what the flaw's plan names, and promises the results that are given."""
    promised = [
        {"id": result.id, "label": result.label, "unit": result.unit, "method": "main", "primary": True}
        for result in (results.results if results else ())
    ] or [{"id": "main", "label": "main", "unit": "ratio", "method": "main", "primary": True}]
    return Plan.model_validate(
        {
            "title": "A study of the suite",
            "question": "A question of the suite.",
            "design": flaw.design,
            "estimand": {
                "population": "everybody",
                "treatment": flaw.exposure or "none",
                "variable": flaw.outcome or "none",
                "intercurrent_events": [],
                "summary_measure": flaw.plan,
            },
            "outcomes": [
                {
                    "id": "outcome",
                    "definition": flaw.outcome or "none",
                    "kind": "continuous",
                    "columns": [flaw.outcome] if flaw.outcome else [],
                }
            ],
            "exposures": [{"column": flaw.exposure, "coding": "as recorded", "reference": "lowest"}]
            if flaw.exposure
            else [],
            "methods": [{"id": "main", "model": "other", "description": flaw.plan}],
            "results": promised,
            "missing_data": {"method": "complete_case", "details": "Rows with missing values are counted."},
            "multiplicity": {"method": "single_test", "reason": "as the methods say"},
        }
    )
