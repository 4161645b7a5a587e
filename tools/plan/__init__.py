"""The statistical analysis plan: its schema, its readable forms, and what changed between two versions."""

from counterproof.tools.plan.document import RESERVED_IDS, Plan
from counterproof.tools.plan.parts import STATISTICS, PlannedResult, Statistic, usual_tolerance
from counterproof.tools.plan.text import readable_plan

__all__ = ["RESERVED_IDS", "STATISTICS", "Plan", "PlannedResult", "Statistic", "readable_plan", "usual_tolerance"]
