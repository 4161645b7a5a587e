"""What is awkward about a data file, found at the intake: before a plan is drafted and a person approves it."""

from counterproof.tools.noticed.look import notice
from counterproof.tools.noticed.noticed import Noticed

__all__ = ["Noticed", "notice"]
