"""The pages: each takes a view object, lays it out, and calls one function."""
