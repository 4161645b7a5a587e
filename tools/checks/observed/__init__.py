"""Checks of a program while it runs on the data: the text of the check program, one file a check.

Nothing here is imported by the application: `counterproof.tools.checks.program` joins these files with one analysis
program into one text, which is approved at the code checkpoint and runs in the analysis environment, in the sandbox,
on the secure side. The files may import numpy, pandas, scipy, statsmodels, lifelines, scikit-learn, and names of each
other; each check is a function `check_…(seen: Seen) -> Finding`.
"""
