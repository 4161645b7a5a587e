"""Maps the top-level folders to one import package; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOTS = ("agents", "tools", "sandbox", "provenance", "ui", "scenarios")

setup(
    packages=[
        f"counterproof.{package}"
        for root in ROOTS
        for package in (root, *(f"{root}.{sub}" for sub in find_packages(root)))
    ]
)
