"""Each limit, reached by a program that tries to pass it."""

from __future__ import annotations

import os

import pytest

from counterproof.provenance.errors import UsageError
from counterproof.sandbox import Limits, _watch

from .conftest import Run

pytestmark = pytest.mark.abuse


def test_wall_time_kills_a_program_that_ignores_signals(run: Run) -> None:
    done = run(
        """
        import signal, time
        for number in range(1, 32):
            try: signal.signal(number, signal.SIG_IGN)
            except OSError: pass
        print('start', flush=True)
        time.sleep(60)
        """,
        wall_s=1,
    )
    assert (done.status, done.stdout.data) == ("timeout", b"start\n")
    assert done.usage.wall_s < 1.5


def test_processor_time_kills_a_loop(run: Run) -> None:
    done = run("while True: pass", cpu_s=1)
    assert done.status == "timeout"
    assert done.usage.wall_s < 10


def test_processor_time_counts_all_processes(run: Run) -> None:
    done = run("import os\nos.fork(); os.fork()\nwhile True: pass", cpu_s=1)
    assert done.status == "timeout"


def test_memory_of_one_process(run: Run) -> None:
    done = run("kept = []\nwhile True: kept.append(b'x' * (1 << 22))", memory_mib=128)
    assert done.status == "oom"
    assert done.usage.max_rss_mib < 1000


def test_memory_asked_for_at_once_is_refused(run: Run) -> None:
    done = run("bytearray(8 << 30)", memory_mib=128)
    assert (done.status, b"MemoryError" in done.stderr.data) == ("error", True)


def test_memory_of_many_processes(run: Run) -> None:
    done = run(
        """
        import os, time
        for _ in range(7): 
            if os.fork() == 0: break
        kept = [os.urandom(1 << 20) for _ in range(40)]
        time.sleep(20)
        """,
        memory_mib=160,
    )
    assert done.status == "oom"


def test_memory_shared_by_forks_counts_once(run: Run) -> None:
    done = run(
        """
        import os, time
        kept = b'x' * (60 << 20)
        for _ in range(5):
            if os.fork() == 0:
                time.sleep(0.5); os._exit(0)
        time.sleep(0.4)
        """,
        memory_mib=200,
    )
    assert done.status == "ok"


@pytest.mark.parametrize(("second_kib", "reason"), [(100, None), (900, "oom")])
def test_memory_over_the_limit_is_looked_at_twice(
    second_kib: int, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that end between two looks leave their share to the others: one sum alone may be too large."""
    found = iter([900, second_kib])
    monkeypatch.setattr(_watch, "processes_of", lambda *_roots: [os.getpid()])
    monkeypatch.setattr(_watch, "_memory_kib", lambda _pid: 1 << 20)
    monkeypatch.setattr(_watch, "_proportional_kib", lambda _pid: next(found) << 10)
    watch = _watch.Watch(init=os.getpid(), limits=Limits(memory_mib=256), writable=())
    assert watch.sample(0.0) == reason
    assert watch.peak_kib == (900 << 10 if reason else 100 << 10)


def test_fork_bomb(run: Run) -> None:
    done = run(
        """
        import os
        while True:
            try: os.fork()
            except OSError: pass
        """,
        processes=24,
    )
    assert done.status == "process_limit"


def test_threads_count_as_processes(run: Run) -> None:
    done = run(
        """
        import threading, time
        for n in range(100):
            threading.Thread(target=time.sleep, args=(0.5,)).start()
        """,
        processes=16,
    )
    assert done.status == "process_limit"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_flood(run: Run, stream: str) -> None:
    done = run(f"import sys\nwhile True: sys.{stream}.write('x' * 65536)", stdout_kib=64, stderr_kib=64)
    captured = getattr(done, stream)
    assert done.status == "output_limit"
    assert (len(captured.data), captured.truncated) == (64 << 10, True)


def test_output_above_the_kept_part_is_cut(run: Run) -> None:
    done = run("print('x' * 100_000)", stdout_kib=64)
    assert (done.status, len(done.stdout.data), done.stdout.total_bytes) == ("ok", 64 << 10, 100_001)
    assert done.stdout.truncated


@pytest.mark.parametrize("folder", ["/out", "/tmp", "/dev/shm"])
def test_full_disk(run: Run, folder: str) -> None:
    done = run(f"open('{folder}/big', 'wb').write(bytes(64 << 20))")
    assert done.status == "disk_limit"
    assert b"No space left" in done.stderr.data


def test_full_output_folder_is_never_ok(run: Run) -> None:
    done = run("""
        try: open('/out/results.json', 'wb').write(bytes(64 << 20))
        except OSError: pass
    """)
    assert (done.status, done.exit_code) == ("disk_limit", 0)


def test_file_size(run: Run) -> None:
    done = run(
        """
        with open('/tmp/big', 'wb') as file:
            try: file.truncate(1 << 40)
            except OSError as error: print(error.errno)
        """,
        file_mib=4,
    )
    assert done.stdout.data == b"27\n"


def test_many_files(run: Run) -> None:
    done = run(
        "n = 0\nwhile True:\n    open(f'/tmp/{n}', 'w').close()\n    n += 1",
        work_files=500,
    )
    assert done.status == "disk_limit"


def test_limits_can_not_be_raised(run: Run) -> None:
    done = run("""
        import resource
        for name in ('NPROC', 'CPU', 'FSIZE', 'NOFILE', 'CORE', 'DATA'):
            limit = getattr(resource, f'RLIMIT_{name}')
            soft, hard = resource.getrlimit(limit)
            try: resource.setrlimit(limit, (hard + 1, hard + 1)); print('raised', name)
            except (ValueError, OSError): pass
            if soft != hard: print('soft', name)
    """)
    assert (done.status, done.stdout.data) == ("ok", b"")


@pytest.mark.parametrize(("name", "value"), [("wall_s", 0), ("memory_mib", 1), ("cpu_s", 1.5), ("processes", True)])
def test_limits_refuse_nonsense(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=rf"Limit '{name}' is {value!r}.*whole number"):
        Limits(**{name: value})


def test_limits_as_dict_holds_whole_numbers() -> None:
    assert all(type(value) is int for value in Limits().as_dict().values())
    assert Limits().as_dict()["wall_s"] == 300
