"""The report of a card: a page with pictures, and one page in plain words; both are made from the card alone."""

from counterproof.tools.synth.report.page import to_html
from counterproof.tools.synth.report.summary import to_summary

__all__ = ["to_html", "to_summary"]
