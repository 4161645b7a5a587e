"""Tasks: questions whose answers are known, kept to compare models; their format, and reading them."""

from counterproof.tools.tasks.held_out import Labels, read_answers, read_labels
from counterproof.tools.tasks.loading import load_task, load_task_set
from counterproof.tools.tasks.task import Analysis, Baseline, PlacedTask, Prediction, Task, TaskLimits

__all__ = [
    "Analysis",
    "Baseline",
    "Labels",
    "PlacedTask",
    "Prediction",
    "Task",
    "TaskLimits",
    "load_task",
    "load_task_set",
    "read_answers",
    "read_labels",
]
