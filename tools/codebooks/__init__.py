"""Reading codebooks: what a person wrote of the columns, in the forms that studies have them in, one module a form."""

from counterproof.tools.codebooks.reader import read_codebook
from counterproof.tools.codebooks.variable import NO_CODEBOOK, Codebook, Variable, readable_codebook

__all__ = ["NO_CODEBOOK", "Codebook", "Variable", "read_codebook", "readable_codebook"]
