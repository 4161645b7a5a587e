"""Comparing models: the same tasks for each of them, scored where the model never looks.

campaign.py   the file that says which models do which tasks, how and how often
prepared.py   what is made of a task once: what a model is told of its data, the twin, the data of the probes
cell.py       one model, one task, one language, one way of working, one repeat; and what came of it
place.py      where a campaign's cells are kept, one folder each
workbench.py  what an arm works with: the model, and trials of programs
arms/         the ways of working: one prompt, plan and repair on the twin, the whole study
scoring.py    what came of a cell: category, score, probes for leaks
working.py    a cell done once, wherever it runs
engine.py     all cells, on workers
table.py      the comparison
lines.py      the same as rows of text
text.py       the same for a terminal
report.py     the same as a page
"""

from counterproof.agents.compare.campaign import Campaign, load_campaign
from counterproof.agents.compare.cell import Category, Cell, CellResult
from counterproof.agents.compare.engine import CampaignRun, run_campaign
from counterproof.agents.compare.place import CampaignPlace
from counterproof.agents.compare.table import make_table
from counterproof.agents.compare.working import Bench

__all__ = [
    "Bench",
    "Campaign",
    "CampaignPlace",
    "CampaignRun",
    "Category",
    "Cell",
    "CellResult",
    "load_campaign",
    "make_table",
    "run_campaign",
]
