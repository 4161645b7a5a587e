"""What the checkpoints of an analysis show: made from the papers of a study, and made again before it is approved."""
