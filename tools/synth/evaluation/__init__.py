"""The evaluation card: metrics with their definitions, references and limits, in one form for all kinds of data."""
