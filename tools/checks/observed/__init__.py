"""Checks of a program while it runs on the data: the text of the check program, one file a check.

The application imports none of the checks, only two rules that the intake looks by, too (`sentinel_codes` and
`mixed_units`, which need no more than numpy): `counterproof.tools.checks.program` joins these files with one analysis
program into one text, which is approved at the code checkpoint and runs in the analysis environment, in the sandbox,
on the secure side. The files may import numpy, pandas, scipy, statsmodels, lifelines, scikit-learn, and names of each
other; each check is a function `check_…(seen: Seen) -> Finding`.
"""
