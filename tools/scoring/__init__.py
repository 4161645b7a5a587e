"""Scoring: predictions and numbers of programs held against answers that they never saw."""

from counterproof.tools.scoring.answers import Answers, ExpectedNumber
from counterproof.tools.scoring.intervals import Interval, Paired, bootstrap, compare_paired, compare_value
from counterproof.tools.scoring.metrics import METRICS, Metric, MetricName
from counterproof.tools.scoring.numbers import NumbersScore, score_numbers
from counterproof.tools.scoring.predictions import Predictions, TargetFacts, Unusable, read_predictions

__all__ = [
    "METRICS",
    "Answers",
    "ExpectedNumber",
    "Interval",
    "Metric",
    "MetricName",
    "NumbersScore",
    "Paired",
    "Predictions",
    "TargetFacts",
    "Unusable",
    "bootstrap",
    "compare_paired",
    "compare_value",
    "read_predictions",
    "score_numbers",
]
