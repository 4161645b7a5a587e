"""What the agent may use: typed, tested and free of models.

Reading and profiling data, the twin, static and statistical checks, replication, disclosure, results and reports.
Nothing here calls a model, decides, or writes to the record.
"""

from counterproof.tools.data import Column, Table, read_file, read_table, take_file
from counterproof.tools.disclosure import (
    DisclosureFinding,
    Item,
    OutputFile,
    Outputs,
    figure_item,
    flow_item,
    result_item,
    review_outputs,
    table_item,
)
from counterproof.tools.identifiers import Finding, find_identifiers
from counterproof.tools.plan import Plan, PlannedResult, readable_plan
from counterproof.tools.profile import make_profile
from counterproof.tools.programs import check_source
from counterproof.tools.replication import Comparison, compare
from counterproof.tools.report import Part, ReportText, deviations, format_number, render
from counterproof.tools.results import Flow, Result, ResultsFile, faults, parse_flow, parse_results
from counterproof.tools.static import StaticFinding, check_program
from counterproof.tools.twin import MARK, Twin, build_twin, make_twin

__all__ = [
    "MARK",
    "Column",
    "Comparison",
    "DisclosureFinding",
    "Finding",
    "Flow",
    "Item",
    "OutputFile",
    "Outputs",
    "Part",
    "Plan",
    "PlannedResult",
    "ReportText",
    "Result",
    "ResultsFile",
    "StaticFinding",
    "Table",
    "Twin",
    "build_twin",
    "check_program",
    "check_source",
    "compare",
    "deviations",
    "faults",
    "figure_item",
    "find_identifiers",
    "flow_item",
    "format_number",
    "make_profile",
    "make_twin",
    "parse_flow",
    "parse_results",
    "read_file",
    "read_table",
    "readable_plan",
    "render",
    "result_item",
    "review_outputs",
    "table_item",
    "take_file",
]
