"""The twin: a synthetic stand-in on which programs are written and repaired.

Same file name, columns, types, decimals and rough distributions as the real data, the same rows for each subject, and
the relations between columns, so that models converge and the ways through a program are taken. Made by classification
and regression trees, one column after the other (`engine`); with differential privacy where a person asks for it
(`private`).

Every row carries the mark: a last column `synthetic_twin` that is always 1 and that real data do not have.

Source: Reiter, Using CART to generate partially synthetic public use microdata, J Off Stat 21(3):441-462, 2005;
Nowok, Raab and Dibben, synthpop, J Stat Softw 74(11), 2016, https://doi.org/10.18637/jss.v074.i11
"""

from counterproof.provenance.marks import CARD_COLUMN, MARK
from counterproof.tools.twin.engine import Twin, build_twin, make_twin

__all__ = ["CARD_COLUMN", "MARK", "Twin", "build_twin", "make_twin"]
