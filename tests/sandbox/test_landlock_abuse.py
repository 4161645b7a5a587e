"""The abuse programs, limits and planted outputs of the local sandbox, in that without namespaces.

What gives way stands in `GIVES_WAY`, with the protection that is named as degraded for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import indent

import pytest

from counterproof.sandbox import Environment, LandlockSandbox, Protection
from counterproof.sandbox.landlock import NEVER_HELD

from . import test_artifacts
from .conftest import Run
from .landlocked import moved, run_in
from .test_abuse import (  # noqa: F401  # collected here too, with the fixtures of this file
    _FRAME,
    ATTACKS,
    test_exit_code_of_a_broken_helper_stays_an_error_of_the_program,
    test_forged_report_stays_text,
    test_orphan_does_not_outlive_the_program,
)
from .test_artifacts import (  # noqa: F401
    test_file_that_changes_until_the_end_is_whole,
    test_outputs_of_a_failed_program_are_collected,
    test_outputs_of_a_killed_program_are_not_collected,
    test_ten_thousand_files_end_in_a_short_list,
    test_too_many_files_are_refused_beyond_the_limit,
)
from .test_limits import (  # noqa: F401
    test_file_size,
    test_fork_bomb,
    test_full_output_folder_is_never_ok,
    test_limits_can_not_be_raised,
    test_many_files,
    test_memory_asked_for_at_once_is_refused,
    test_memory_of_many_processes,
    test_memory_of_one_process,
    test_memory_shared_by_forks_counts_once,
    test_output_above_the_kept_part_is_cut,
    test_output_flood,
    test_processor_time_counts_all_processes,
    test_processor_time_kills_a_loop,
    test_threads_count_as_processes,
    test_wall_time_kills_a_program_that_ignores_signals,
)

pytestmark = pytest.mark.abuse

GIVES_WAY: Mapping[str, Protection] = {
    "home-folders": Protection.FS_READ,  # that they exist
    "sys": Protection.FS_READ,  # that it exists
    "host-devices": Protection.FS_READ,  # that they exist
}
ALSO = {
    "list-host": "return bool(os.listdir('{folder}'))",
    "chmod-host-file": "os.chmod('{folder}/canary', 0o777); return True",
    "touch-host-file": "os.utime('{folder}/canary'); return True",
    "touch-input": "os.utime('/data/input.csv', (1, 1)); return True",
    "label-input": "os.setxattr('/data/input.csv', 'user.x', b'x'); return True",
    "link-input": "os.link('/data/input.csv', 'linked'); return True",
    "pair-of-datagrams": "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', '{folder}/socket'); return True",
    "limits-of-the-supervisor": "import resource; resource.prlimit({supervisor}, 0, (1, 1)); return True",
    "limits-of-the-first-process": "import resource; resource.prlimit(os.getppid(), 7); return True",
    "priority-of-the-first-process": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19); return True",
    "stop-the-first-process": "os.kill(os.getppid(), 19); return True",
    "end-the-session": "os.killpg(os.getpgid(os.getppid()), 0); return True",
    "signal-by-file": "import fcntl; fcntl.fcntl(os.pipe()[0], 8, os.getppid()); return True",
    "environment-of-the-first-process": "return bool(open(f'/proc/{os.getppid()}/environ', 'rb').read())",
    "attach-shared-memory": "return libc.shmat(0, 0, 0) != -1 or ctypes.get_errno() != errno.EPERM",
    "semaphores": "return libc.semget(0x1234, 1, 0o1666) >= 0",
    "shared-folder": "open('/dev/shm/x', 'w'); return True",
    "temporary-folder": "open('/var' + '/tmp/x', 'w'); return True",
    "watch-a-folder": "return libc.inotify_init1(0) >= 0",
    "neighbours": "return bool(os.listdir(os.path.dirname(os.path.dirname(os.getcwd()))))",
    "open-files-of-the-first-process": "return bool(os.listdir(f'/proc/{os.getppid()}/fd'))",
}
"""What only a sandbox that shares the host's namespaces and user has to fear."""


@pytest.fixture(scope="session")
def landlock() -> LandlockSandbox:
    """The sandbox; its first use probes."""
    return LandlockSandbox()


@pytest.fixture
def run(landlock: LandlockSandbox, environment: Environment) -> Run:
    """Run one program; takes the place of the fixture of the same name for the programs of the other files."""
    return lambda source, inputs=None, **limits: run_in(landlock, environment, moved(source), inputs, **limits)


@pytest.mark.parametrize("name", [*ATTACKS, *ALSO])
def test_attack_is_held_or_named_as_degraded(
    name: str,
    landlock: LandlockSandbox,
    environment: Environment,
    host: dict[str, object],
) -> None:
    source = moved(_FRAME.replace("{attack}", indent({**ATTACKS, **ALSO}[name], "    ")))
    for key, value in host.items():
        source = source.replace(f"{{{key}}}", str(value))
    done = run_in(landlock, environment, source, {"input.csv": Path(str(host["folder"])) / "input.csv"})
    expected = b"escaped\n" if name in GIVES_WAY else b"held\n"
    assert (done.stdout.data, done.status) == (expected, "ok"), done.stderr.data.decode()
    assert name not in GIVES_WAY or GIVES_WAY[name] in done.attestation.degraded


def test_everything_that_gives_way_is_named() -> None:
    assert set(GIVES_WAY) <= set(ATTACKS)
    assert set(GIVES_WAY.values()) <= NEVER_HELD


@pytest.mark.parametrize("name", sorted(test_artifacts.PLANTED.keys() - {"socket"}))
def test_planted_artifact_is_refused_here_too(name: str, run: Run) -> None:
    test_artifacts.test_planted_artifact_is_refused(name, run)


def test_socket_can_not_be_planted(run: Run) -> None:
    done = run("import socket; socket.socket(socket.AF_UNIX).bind('results.json')")
    assert (done.status, done.artifacts, done.rejected) == ("error", (), ())
    assert b"Address family not supported" in done.stderr.data


@pytest.mark.parametrize("folder", ["/out", "/tmp"])
def test_full_disk_ends_the_program_or_its_result(run: Run, folder: str) -> None:
    done = run(f"import time\nopen('{folder}/big', 'wb').write(bytes(64 << 20))\ntime.sleep(20)")
    assert (done.status, Protection.DISK_TOTAL in done.attestation.degraded) == ("disk_limit", True)


def test_very_deep_folder_ends_the_program(run: Run) -> None:
    done = run("import os, time\nfor _ in range(2000): os.mkdir('x'); os.chdir('x')\ntime.sleep(20)")
    assert done.status == "disk_limit"
