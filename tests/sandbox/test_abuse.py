"""Programs that try to get out of the sandbox; each prints `held` when it could not."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from .conftest import Run

pytestmark = pytest.mark.abuse

_FRAME = """
import contextlib, ctypes, errno, glob, os, signal, socket, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def attack():
{attack}
try:
    escaped = attack()
except (OSError, subprocess.SubprocessError, UnicodeError):
    escaped = False
print('escaped' if escaped else 'held')
"""

ATTACKS = {
    "tcp": "with socket.create_connection(('127.0.0.1', {port}), 2): return True",
    "tcp-metadata-address": "with socket.create_connection(('169.254.169.254', 80), 2): return True",
    "udp": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53)); return True",
    "dns": "socket.getaddrinfo('example.org', 443); return True",
    "raw-socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); return True",
    "packet-socket": "socket.socket(17, socket.SOCK_RAW); return True",
    "netlink-socket": "socket.socket(16, socket.SOCK_RAW); return True",
    "alg-socket": "socket.socket(38, socket.SOCK_SEQPACKET); return True",
    "vsock-socket": "socket.socket(40, socket.SOCK_STREAM); return True",
    "abstract-socket": "s = socket.socket(socket.AF_UNIX); s.connect(chr(0) + '{abstract}'); return True",
    "path-socket": "s = socket.socket(socket.AF_UNIX); s.connect('{folder}/socket'); return True",
    "host-file": "return bool(open('{folder}/canary').read())",
    "host-file-through-proc": "return any(map(os.path.exists, glob.glob('/proc/[0-9]*/root{folder}/canary')))",
    "shadow": "return bool(open('/etc/shadow').read())",
    "host-passwd": "return len(open('/etc/passwd').readlines()) != 2",
    "home-folders": "return any(os.path.exists(p) for p in ('/root', '/home', '/work', '/var', '/srv', '/mnt'))",
    "sys": "return os.path.exists('/sys/kernel')",
    "environment-of-all": "return any(b'CANARY' in open(p, 'rb').read() for p in glob.glob('/proc/[2-9]*/environ'))",
    "environment-of-pid-1": "return b'CANARY' in open('/proc/1/environ', 'rb').read()",
    "arguments-of-pid-1": "return b'{folder}' in open('/proc/1/cmdline', 'rb').read()",
    "files-of-pid-1": "return bool(os.listdir('/proc/1/fd'))",
    "memory-of-pid-1": "open('/proc/1/mem', 'r+b'); return True",
    "kill-pid-1": "os.kill(1, 9); time.sleep(0.2); os.kill(1, 19); return False",
    "kill-supervisor": "os.kill({supervisor}, 0); return True",
    "ptrace": "return libc.ptrace(0, 0, 0, 0) == 0",
    "see-processes": "return len([n for n in os.listdir('/proc') if n.isdigit()]) != 2",
    "write-input": "open('/data/input.csv', 'a'); return True",
    "chmod-input": "os.chmod('/data/input.csv', 0o777); return True",
    "replace-input": "os.rename('/data/input.csv', '/data/other.csv'); return True",
    "add-input": "open('/data/more.csv', 'w'); return True",
    "write-program": "open('/program/program.py', 'a'); return True",
    "write-packages": "open(os.path.dirname(__import__('packaging').__file__) + '/evil.py', 'w'); return True",
    "write-interpreter": "open(os.path.realpath(sys.executable), 'r+b'); return True",
    "write-root": "os.mkdir('/x'); return True",
    "write-dev": "open('/dev/x', 'w'); return True",
    "write-usr": "open('/usr/bin/x', 'w'); return True",
    "core-pattern": "open('/proc/sys/kernel/core_pattern', 'w'); return True",
    "sysrq": "open('/proc/sysrq-trigger', 'w'); return True",
    "user-namespace": "return libc.unshare(0x10000000) == 0",
    "mount": "return libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "remount-root": "return libc.mount(None, b'/', None, 0x20 | 0x1000, None) == 0",
    "chroot": "os.chroot('/tmp'); return True",
    "setuid": "os.setuid(0); return True",
    "su": "return subprocess.run(['su', '-c', 'id'], capture_output=True, timeout=9).returncode == 0",
    "device-node": "os.mknod('/tmp/d', 0o60666, os.makedev(254, 0)); return True",
    "host-devices": "return any(map(os.path.exists, ('/dev/vda', '/dev/sda', '/dev/mem', '/dev/kvm', '/dev/fuse')))",
    "shared-memory": "return libc.shmget(0x1234, 4096, 0o1666) >= 0",
    "memory-file": "os.memfd_create('x'); return True",
    "keyring": "return libc.syscall(250, 0, -3, 1) > 0",
    "bpf": "return libc.syscall(321, 0, 0, 0) >= 0",
    "io-uring": "return libc.syscall(425, 8, 0) >= 0",
    "personality": "return libc.personality(0) >= 0",
    "push-input-to-terminal": "import fcntl; fcntl.ioctl(0, 0x5412, b'x'); return True",
    "inherited-files": "return len(os.listdir('/proc/self/fd')) > 4",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_held(name: str, run: Run, host: dict[str, object]) -> None:
    attack = ATTACKS[name]
    for key, value in host.items():
        attack = attack.replace(f"{{{key}}}", str(value))
    source = _FRAME.format(attack=indent(attack, "    "))
    done = run(source, {"input.csv": Path(str(host["folder"])) / "input.csv"})
    assert (done.stdout.data, done.status) == (b"held\n", "ok"), done.stderr.data.decode()


def test_orphan_does_not_outlive_the_program(run: Run) -> None:
    done = run("""
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(60)
            os._exit(0)
        print('gone')
    """)
    assert (done.status, done.stdout.data) == ("ok", b"gone\n")
    assert done.usage.wall_s < 5


def test_forged_report_stays_text(run: Run) -> None:
    done = run("""
        import os, sys
        sys.stdout.buffer.write(b'S' + (20).to_bytes(4, 'big') + b'{"wait_status": 256}')
        sys.stderr.write('bwrap: setting up uid map: Permission denied')
        for handle in range(3, 256):
            try: os.write(handle, b'E\\0\\0\\0\\0')
            except OSError: pass
    """)
    assert (done.status, done.exit_code) == ("ok", 0)


def test_exit_code_of_a_broken_helper_stays_an_error_of_the_program(run: Run) -> None:
    assert [run(f"raise SystemExit({code})").status for code in (1, 70, 71, 127)] == ["error"] * 4
