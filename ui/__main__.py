"""`python -m counterproof.ui` is the command line."""

from counterproof.ui.cli import main

main()
