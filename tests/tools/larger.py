"""Takes a file in a process that may not allocate as much as the file holds, and says how it went."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from counterproof.provenance.mapped import Room
from counterproof.tools.data import read_file
from counterproof.tools.exposure import DataRules, Suppression
from counterproof.tools.looking import look
from counterproof.tools.noticed import notice
from counterproof.tools.profile import make_profile
from counterproof.tools.rowguard import Guarded, RowGuard, RowInRequest
from counterproof.tools.twin import build_twin


def main(path: Path, room: Path, limit_mib: int) -> None:
    """Read, look, describe, guard and make a twin, under a limit on what may be allocated beside the imports."""
    began = time.monotonic()
    before = _status("VmData")
    # Of mappings of files that are only read, nothing counts.
    resource.setrlimit(resource.RLIMIT_DATA, (before + limit_mib * 2**20,) * 2)

    def step(name: str) -> None:
        told[name] = {"s": round(time.monotonic() - began, 1), "data_mib": (_status("VmData") - before) // 2**20}
        print(name, told[name], file=sys.stderr, flush=True)

    told: dict[str, object] = {}
    rules = Suppression()
    content, table = read_file(path, room=Room(folder=room))
    told |= {"on_disk": table.on_disk, "rows": table.rows, "left": [one.name for one in room.iterdir()]}
    step("read")
    looked = look(table, rules=DataRules(), suppression=rules)
    told["found"] = [one.column for one in looked.found]
    step("looked")
    noticed = notice(table, looked, rules=rules)
    told["noticed"] = sorted({one.kind for one in noticed})
    step("noticed")
    profile = make_profile(table, list(looked.hidden), subject=looked.subject, rules=rules)
    told["columns"] = len(profile["columns"])
    step("profile")
    guard = RowGuard([Guarded(table=table, hidden={one.column for one in looked.hidden})])
    row = bytes(content[-4000:]).decode(errors="ignore").splitlines()[-2]
    try:
        guard.check(json.dumps({"messages": [{"role": "user", "content": row}]}).encode())
        told["guarded"] = False
    except RowInRequest:
        told["guarded"] = True
    step("guard")
    twin = build_twin(table, list(looked.hidden))
    told["twin_rows"] = twin.data.count(b"\n") - 1
    step("twin")
    print(json.dumps(told))


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
