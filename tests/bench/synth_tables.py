"""One table of all metrics for each real table: makers, and those that are bad on purpose, beside floor and ceiling.

    .venv/bin/python -m tests.bench.synth_tables > docs/synthetic-figures.md

A star marks a number that does not keep its limit. It takes some minutes.
"""

from __future__ import annotations

from counterproof.tools.synth.evaluation.controls import CONTROLS
from counterproof.tools.synth.evaluation.definitions import DEFINITIONS
from counterproof.tools.synth.makers import MAKERS
from counterproof.tools.synth.report.summary import plain_number

from ..tools.synth.conftest import TABLES, measure, prepared


def main() -> None:
    """Print the page."""
    print("# Figures of synthetic data\n")
    print("Written by `python -m tests.bench.synth_tables`; what the numbers are: [synthetic.md](synthetic.md).")
    print("Four tenths of each table are held out. A star marks a number that does not keep its limit.\n")
    columns = [*MAKERS, *CONTROLS]
    for name in TABLES:
        of = prepared(name)
        rows = f"{of.split.train.rows} rows to learn from, {of.split.holdout.rows} held out"
        print(f"## {of.table.name}\n\n{rows}; `{of.real.model}`; subgroups by `{of.real.subgroups}`.\n")
        print(f"| metric | floor | ceiling | {' | '.join(columns)} |")
        print(f"|---|{'---|' * (len(columns) + 2)}")
        for definition in DEFINITIONS:
            found = [measure(definition.id, maker, name) for maker in columns]
            cells = [plain_number(one.value) + ("*" if one.verdict == "flag" else "") for one in found]
            beside = [plain_number(found[0].floor), plain_number(found[0].ceiling)]
            print(f"| {definition.id} | {' | '.join([*beside, *cells])} |", flush=True)
        print()


if __name__ == "__main__":
    main()
