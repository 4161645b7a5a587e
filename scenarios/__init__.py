"""Studies kept as tests: the catalogue, the loopback server that serves recorded turns, and the replayer."""
