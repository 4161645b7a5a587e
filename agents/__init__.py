"""The study graph, its nodes, prompts and model access, and what makes and runs a study."""
