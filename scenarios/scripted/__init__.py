"""Scripts that play models, to test a comparison: each has a known fault, or none.

They read the task from the prompt, as a model would, and know nothing else of it. What they answer was written by hand
(`authored/`); their token counts are made from lengths of texts.

    good        plans, and predicts with a plain penalised model
    leaking     the same, but standardises the test samples by themselves: subtle, and often rewarded
    remembering the same as `good`, but knows published labels by heart
    broken      its program stops with a NameError
    prose       explains what one would do, without a program
    astray      predicts another column than the target
    slow        its program never ends
    flaky       the endpoint fails twice for each request, then answers as `good`
    overlong    its answer is cut off at the token limit
    reaching    reads a file that nobody gave it
    careless    leaves half of the test samples out
"""

from counterproof.scenarios.scripted.server import SCRIPTS, ModelServer

__all__ = ["SCRIPTS", "ModelServer"]
