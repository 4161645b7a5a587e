"""Runs ACRO in its own environment on the cases of `test_agrees_with_acro`, and prints what it found as JSON.

For each case the cells that each of its checks marks. Run as `python with_acro.py DATA.csv`.
"""

import json
import logging
import sys

import acro
import pandas as pd
import statsmodels.api as sm

logging.disable(logging.CRITICAL)
data = pd.read_csv(sys.argv[1], dtype={"year": str})
session = acro.ACRO()
session.crosstab(data.year, data.kind)
session.crosstab(data.year, data.kind, values=data.amount, aggfunc="mean")
session.crosstab(data.region, data.kind, values=data.amount, aggfunc="sum")
session.crosstab(data.region, data.kind, values=data.change, aggfunc="mean")
session.crosstab(data.arm, data.outcome)
for rows in (9, 11, 12, 60):
    part = data[:rows]
    session.ols(part.amount, sm.add_constant(part[["change"]]))
cases = []
for record in session.results.results.values():
    cells = record.outcome
    marked = {
        f"{row}|{column}": [
            name.strip() for name in str(cells.loc[row, column]).split(";") if name.strip() not in ("", "ok")
        ]
        for row in cells.index
        for column in cells.columns
    }
    cases.append({"status": record.status, "summary": record.summary, "cells": marked})
json.dump(cases, sys.stdout)
