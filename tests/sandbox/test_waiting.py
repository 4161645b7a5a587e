"""Waiting for something to read, with descriptors of any number."""

from __future__ import annotations

import fcntl
import os
import resource
import time
from collections.abc import Iterator

import pytest

from counterproof.sandbox._waiting import readable

HIGH = 2000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe; that which is read has a number that `select` does not take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, HIGH + 100)), hard))
    low, writer = os.pipe()
    reader = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, HIGH)
    yield reader, writer
    for handle in (low, writer, reader):
        os.close(handle)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_high_descriptor_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    assert not readable(reader)
    os.write(writer, b"x")
    assert readable(reader)
    assert readable(reader, within_s=None)


def test_waiting_ends_in_time(pipe: tuple[int, int]) -> None:
    began = time.monotonic()
    assert not readable(pipe[0], within_s=0.05)
    assert time.monotonic() - began >= 0.05
