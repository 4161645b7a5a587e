"""The script that the warm interpreter was started with; every program runs from its last lines.

The idea: a program must see the same call stack as after a cold start, so the zygote unwinds to the module level
of this script before the program begins. One frame is left below the program. It is mounted as
`importlib_bootstrap.py`, because the warnings module passes over frames with such a name: a warning that points
beyond the program's first frame then reads `sys:1`, as it does cold.

It does not cover anything else; see `_zygote.py`.

Runs alone inside the sandbox as `python -s -P importlib_bootstrap.py ABOUT_FD CONTROL_FD`.
"""

import sys

sys.path.insert(0, "/opt/counterproof")
import zygote  # type: ignore[import-not-found]  # lies beside this script inside the sandbox

program = zygote.serve()
try:
    exec(program.compiled(), program.namespace)  # noqa: S102  # the program, in the process that is confined for it
except BaseException as error:
    program.failed(error)
program.end()
