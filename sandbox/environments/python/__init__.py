"""Holds the lock of the Python analysis environment; a package only so that the lock is installed with it."""
