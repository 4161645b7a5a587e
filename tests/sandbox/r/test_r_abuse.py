"""R programs that try to get out of the sandbox, or to use more than they may."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import RunR

pytestmark = pytest.mark.abuse

_FRAME = """
attack <- function() {{ {attack} }}
escaped <- tryCatch(suppressWarnings(attack()), error = function(e) FALSE)
cat(if (isTRUE(escaped)) "escaped" else "held")
"""

ATTACKS = {
    "tcp": "close(socketConnection('127.0.0.1', port = {port}, timeout = 2)); TRUE",
    "tcp-metadata-address": "close(socketConnection('169.254.169.254', port = 80, timeout = 2)); TRUE",
    "url": "length(readLines('http://127.0.0.1:{port}/')) > 0",
    "download": "download.file('http://127.0.0.1:{port}/', '/tmp/x', quiet = TRUE) == 0",
    "install-packages": "install.packages('praise', lib = '/tmp', repos = 'http://127.0.0.1:{port}'); "
    "file.exists('/tmp/praise')",
    "dns": "!is.na(nsl('example.org'))",
    "host-file": "length(readLines('{folder}/canary')) > 0",
    "host-file-through-a-shell": "length(system('cat {folder}/canary', intern = TRUE, ignore.stderr = TRUE)) > 0",
    "host-file-through-proc": "any(file.exists(Sys.glob('/proc/[0-9]*/root{folder}/canary')))",
    "shadow": "length(readLines('/etc/shadow')) > 0",
    "host-passwd": "length(readLines('/etc/passwd')) != 2",
    "home-folders": "any(file.exists(c('/root', '/home', '/work', '/var', '/srv', '/mnt')))",
    "host-settings-of-r": "any(file.exists(c('/etc/R/Rprofile.site', '/usr/lib/R/etc/Rprofile.site')))",
    "environment": "any(grepl('CANARY', c(Sys.getenv(), names(Sys.getenv()))))",
    "environment-of-all": "any(sapply(Sys.glob('/proc/[0-9]*/environ'), function(p) tryCatch("
    "any(grepl('CANARY', readLines(p, warn = FALSE))), error = function(e) FALSE)))",
    "kill-pid-1": "tools::pskill(1L, 9L); Sys.sleep(0.2); FALSE",
    "kill-supervisor": "isTRUE(tools::pskill({supervisor}L, 0L))",
    "see-processes": "length(grep('^[0-9]+$', list.files('/proc'))) != 2",
    "write-input": "cat('x', file = '/data/input.csv', append = TRUE); TRUE",
    "chmod-input": "Sys.chmod('/data/input.csv', '777'); file.access('/data/input.csv', 2) == 0",
    "write-program": "cat('x', file = '/program/program.R', append = TRUE); TRUE",
    "write-library": "file.create('/opt/r/library/evil')",
    "write-a-package": "file.create('/opt/r/library/ggplot2/evil')",
    "write-base-library": "file.create('/usr/lib/R/library/evil')",
    "write-profile-of-r": "file.create('/usr/lib/R/etc/Rprofile.site')",
    "write-settings-of-r": "cat('A=1', file = '/usr/lib/R/etc/Renviron', append = TRUE); TRUE",
    "write-fonts": "file.create('/opt/r/fonts/evil.ttf')",
    "su": "system('su -c id', ignore.stdout = TRUE, ignore.stderr = TRUE, timeout = 9) == 0",
    "mount": "system('mount -t tmpfs none /tmp', ignore.stderr = TRUE) == 0",
    "user-namespace": "system('unshare -U true', ignore.stderr = TRUE) == 0",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_through_r_is_held(name: str, run_r: RunR, host: dict[str, object]) -> None:
    attack = ATTACKS[name]
    for key, value in host.items():
        attack = attack.replace(f"{{{key}}}", str(value))
    done = run_r(_FRAME.format(attack=attack), {"input.csv": Path(str(host["folder"])) / "input.csv"})
    assert (done.stdout.data, done.status) == (b"held", "ok"), done.stderr.data.decode()


def test_wall_time_ends_a_sleep(run_r: RunR) -> None:
    done = run_r("cat('start')\nSys.sleep(60)", wall_s=5)
    assert (done.status, done.stdout.data) == ("timeout", b"start")


def test_processor_time_ends_a_loop(run_r: RunR) -> None:
    assert run_r("repeat {}", cpu_s=1).status == "timeout"


def test_memory_of_one_process(run_r: RunR) -> None:
    done = run_r("kept <- list()\nrepeat kept[[length(kept) + 1]] <- rep(1, 1e6)", memory_mib=256)
    assert done.status == "oom"


def test_memory_asked_for_at_once_is_refused(run_r: RunR) -> None:
    done = run_r("x <- numeric(4e9)", memory_mib=256)
    assert (done.status, b"cannot allocate vector" in done.stderr.data) == ("error", True)


def test_memory_of_many_processes(run_r: RunR) -> None:
    done = run_r(
        """
        for (n in 1:6) parallel::mcparallel({ kept <- lapply(1:10, function(i) runif(1e6)); Sys.sleep(20) })
        Sys.sleep(20)
        """,
        memory_mib=300,
    )
    assert done.status == "oom"


def test_fork_bomb_through_parallel(run_r: RunR) -> None:
    done = run_r("repeat try(parallel::mcparallel(Sys.sleep(30)), silent = TRUE)", processes=24)
    assert done.status == "process_limit"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_flood(run_r: RunR, stream: str) -> None:
    done = run_r(f"repeat cat(strrep('x', 65536), file = {stream}())", stdout_kib=64, stderr_kib=64)
    assert done.status == "output_limit"
    assert getattr(done, stream).truncated


def test_full_output_folder_is_never_ok(run_r: RunR) -> None:
    # R 4.2 goes on without an error when writeBin() finds the disk full.
    done = run_r("to <- file('/out/big', 'wb')\nfor (n in 1:64) writeBin(raw(1e6), to)\nclose(to)")
    assert done.status == "disk_limit"


def test_scratch_folder_can_not_grow(run_r: RunR) -> None:
    done = run_r(
        "to <- file('/tmp/big', 'wb')\nfor (n in 1:64) writeBin(raw(1e6), to)\nclose(to)\n"
        "cat(file.size('/tmp/big') <= 8 * 2^20)"
    )
    assert done.stdout.data == b"TRUE"


def test_many_files(run_r: RunR) -> None:
    done = run_r("n <- 0\nrepeat { file.create(paste0('/tmp/', n)); n <- n + 1 }", work_files=500)
    assert done.status == "disk_limit"


def test_planted_links_are_not_collected(run_r: RunR) -> None:
    done = run_r("""
        invisible(file.symlink("/etc/passwd", "results.json"))
        dir.create("tables")
        invisible(file.symlink("/usr/lib/R/COPYING", "tables/x.csv"))
    """)
    assert (done.status, done.artifacts) == ("ok", ())
    assert sorted(item.name for item in done.rejected) == ["results.json", "tables/x.csv"]


def test_process_left_behind_does_not_outlive_the_program(run_r: RunR) -> None:
    done = run_r("system('sleep 60 &')\ncat('gone')")
    assert (done.status, done.stdout.data) == ("ok", b"gone")
    assert done.usage.wall_s < 10


def test_endless_recursion_is_an_error_of_the_program(run_r: RunR) -> None:
    assert run_r("f <- function() f()\nf()").status == "error"


def test_forged_error_of_the_sandbox_stays_text(run_r: RunR) -> None:
    done = run_r("cat('bwrap: setting up uid map: Permission denied', file = stderr())\nquit(status = 71)")
    assert (done.status, done.exit_code) == ("error", 71)
