"""Synthetic data: makers, and an evaluation card that is read beside a floor, a ceiling and a copy."""
