"""The report: text whose numbers are all references, tables that code makes, and its forms (`formats`)."""

from counterproof.tools.report.checklists import Documents, reporting_items
from counterproof.tools.report.deviations import deviations
from counterproof.tools.report.flow import flow_diagram
from counterproof.tools.report.rendering import NEVER_RELEASED, Part, ReportText, format_number, render

__all__ = [
    "NEVER_RELEASED",
    "Documents",
    "Part",
    "ReportText",
    "deviations",
    "flow_diagram",
    "format_number",
    "render",
    "reporting_items",
]
