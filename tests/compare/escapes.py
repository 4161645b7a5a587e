"""Programs that look for held-out answers from inside of a sandbox, with all that a program may do there.

Each is told where the answers are and by what it could know them (size and digest, for a label in the program would be
one in the sandbox), tries their paths by every way round, reads every file that is there, and ends with `FOUND …` when
one is. It fails too when it has not seen its own input: then it looked at nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from counterproof.sandbox import Language

_PYTHON = """
import glob, hashlib, json, os, sys

WANTED = {(size, digest) for _, size, digest in json.loads(TOLD)}
SIZES = {size for size, _ in WANTED}
data = os.environ["COUNTERPROOF_DATA"]

def look(path):
    try:
        if os.path.getsize(path) in SIZES:
            with open(path, "rb") as file:
                content = file.read()
            if (len(content), hashlib.md5(content).hexdigest()) in WANTED:
                raise SystemExit(f"FOUND {path}")
    except OSError:
        pass

roots = ["", *glob.glob("/proc/[0-9]*/root"), *glob.glob("/proc/[0-9]*/cwd"), "/proc/self/root"]
for name, size, digest in json.loads(TOLD):
    held_out = os.path.basename(os.path.dirname(name))
    for root in roots:
        look(root + name)
    for up in range(12):
        look(os.path.join(data, *[".."] * up, name.lstrip("/")))
        look(os.path.join(os.getcwd(), *[".."] * up, name.lstrip("/")))
    for place in (data, os.path.dirname(data), os.getcwd(), os.path.dirname(sys.argv[0])):
        look(os.path.join(place, os.path.basename(name)))
        look(os.path.join(place, held_out, os.path.basename(name)))
    os.symlink(name, "link")
    look("link")
    os.remove("link")
    try:
        os.link(name, "link")
    except OSError:
        pass
    else:
        look("link")
        os.remove("link")
for handle in range(256):
    look(f"/proc/self/fd/{handle}")
seen = 0
# Without a mount namespace "/" can't be listed, and what lies below it can.
known = ["/usr", os.getcwd(), os.path.dirname(sys.argv[0]), os.environ["TMPDIR"], sys.base_prefix, *sys.path]
for start in ("/", *known):
    for folder, below, names in os.walk(start, onerror=lambda error: None):
        below[:] = [one for one in below if os.path.join(folder, one) not in ("/proc", "/sys", "/dev")]
        for name in names:
            look(os.path.join(folder, name))
            seen += 1
for name in os.listdir(data):
    look(os.path.join(data, name))
    seen += os.path.getsize(os.path.join(data, name)) > 0
print("looked at", seen)
raise SystemExit(0 if seen > 1000 and os.listdir(data) else "looked at nothing")
"""
_R = """
told <- jsonlite::fromJSON(TOLD, simplifyVector = FALSE)
wanted <- vapply(told, function(one) paste(one[[2]], one[[3]]), "")
sizes <- vapply(told, function(one) one[[2]], 0)
data <- Sys.getenv("COUNTERPROOF_DATA")

look <- function(paths) {
  near <- paths[!is.na(file.size(paths)) & file.size(paths) %in% sizes]
  found <- near[paste(file.size(near), tools::md5sum(near)) %in% wanted]
  if (length(found)) stop("FOUND ", found[1])
}
numbers <- list.files("/proc", pattern = "^[0-9]+$", full.names = TRUE)
roots <- c("", file.path(numbers, "root"), file.path(numbers, "cwd"), "/proc/self/root")
for (one in told) {
  name <- one[[1]]
  up <- vapply(0:11, function(times) paste(rep("../", times), collapse = ""), "")
  inside <- c(file.path(data, paste0(up, sub("^/", "", name))), file.path(getwd(), paste0(up, sub("^/", "", name))))
  beside <- file.path(c(data, dirname(data), getwd()), basename(name))
  look(c(paste0(roots, name), inside, beside, file.path(data, basename(dirname(name)), basename(name))))
  if (suppressWarnings(file.symlink(name, "link"))) look("link")
  unlink("link")
}
everything <- system2("find", c("/", "-path", "/proc", "-prune", "-o", "-path", "/sys", "-prune", "-o", "-path", "/dev",
                                "-prune", "-o", "-type", "f", "-print"), stdout = TRUE, stderr = FALSE)
look(everything)
look(list.files(data, full.names = TRUE))
cat("looked at", length(everything), "\\n")
own <- list.files(data, full.names = TRUE)
if (length(everything) < 1000 || !length(own) || any(is.na(tools::md5sum(own)))) stop("looked at nothing")
"""


def escape_program(language: Language, held_out: Iterable[Path]) -> str:
    """Return a program that looks for these files and for their contents."""
    told = json.dumps([_told(path) for path in held_out])
    return f"TOLD {'<-' if language == 'r' else '='} {json.dumps(told)}\n{_R if language == 'r' else _PYTHON}"


def _told(path: Path) -> tuple[str, int, str]:
    content = path.read_bytes()
    return str(path.resolve()), len(content), hashlib.md5(content, usedforsecurity=False).hexdigest()
