"""The verbs of the command line, one a module; each module's `command` is what `ui.cli` loads."""
