"""Held-out answers are out of reach of programs: tried from inside of the sandbox, before a worker's first cell.

A sandbox shows more of a machine than a task's data: interpreters, libraries, all of /usr. Where somebody has put a
task there, every program could read its answers. So a program of ours looks for each file, at its own path and at each
end of that path below each mount, for a folder may be shown under another name. One that is found stops the cells.

It does not cover copies of the answers under other names: those are for whoever places tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox import Environment, ExecutionSpec, Language, Limits, Sandbox, run_all
from counterproof.tools.tasks import PlacedTask

_PROGRAMS: dict[Language, str] = {
    "python": """
import json, os
with open("/proc/self/mountinfo") as file:
    mounts = {line.split()[4].replace("\\\\040", " ") for line in file} | {"/"}
for path, size in json.loads(WANTED):
    parts = path.strip("/").split("/")
    for place in {os.path.join(mount, *parts[at:]) for mount in mounts for at in range(len(parts))}:
        try:
            found = os.path.getsize(place) == size
            open(place).close()
        except OSError:
            continue
        if found:
            print(path)
print("looked")
""",
    "r": """
lines <- strsplit(readLines("/proc/self/mountinfo"), " ")
mounts <- unique(c("/", gsub("\\\\040", " ", vapply(lines, `[`, "", 5), fixed = TRUE)))
wanted <- jsonlite::fromJSON(WANTED, simplifyVector = FALSE)
for (one in wanted) {
  parts <- strsplit(sub("^/+", "", one[[1]]), "/", fixed = TRUE)[[1]]
  ends <- vapply(seq_along(parts), function(at) paste(parts[at:length(parts)], collapse = "/"), "")
  places <- as.vector(outer(sub("/+$", "", mounts), ends, paste, sep = "/"))
  found <- file.access(places, 4) == 0 & !is.na(file.size(places)) & file.size(places) == one[[2]]
  if (any(found)) cat(one[[1]], "\\n", sep = "")
}
cat("looked\\n")
""",
}
_LIMITS = Limits(wall_s=60, cpu_s=60, memory_mib=512)


def check_outside(sandbox: Sandbox, environment: Environment, tasks: Iterable[PlacedTask]) -> None:
    """Try to open the held-out files of tasks from inside of a sandbox.

    Args:
        sandbox: runs the programs of cells.
        environment: what they run in.
        tasks: the tasks with the places of their answers.

    Raises:
        UsageError: a program could read one.
        MachineTrouble: it could not be tried.
    """
    files = {str(path.resolve()): placed for placed in tasks for path in (placed.held_out, placed.baseline) if path}
    wanted = json.dumps([[name, Path(name).stat().st_size] for name in sorted(files)])
    suffix = "R" if environment.language == "r" else "py"
    program = f"WANTED {'<-' if suffix == 'R' else '='} {json.dumps(wanted)}\n{_PROGRAMS[environment.language]}"
    spec = ExecutionSpec(
        program=program.encode(), environment=environment, limits=_LIMITS, program_name=f"program.{suffix}"
    )
    (done,) = run_all(sandbox, [spec])
    said = done.stdout.data.decode("utf-8", errors="replace").splitlines()
    if done.status != "ok" or said[-1:] != ["looked"]:
        raise MachineTrouble(
            f"It could not be tried whether programs can read held-out answers ({done.status}): "
            f"{done.stderr.data.decode('utf-8', errors='replace')[-300:]}",
            advice="Nothing has run. `counterproof sandbox check` says whether programs can run at all.",
        )
    if seen := [name for name in said if name in files]:
        raise UsageError(
            f"Programs could read the held-out answers of task {files[seen[0]].task.id}: {seen[0]} is shown in the "
            "sandbox.",
            allowed="Answers lie where no sandbox looks: not below /usr, nor in an environment.",
            advice="Move the task, for example to your home folder, and start again.",
        )
