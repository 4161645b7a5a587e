"""The isolation profile: which parts of the machine a program sees, and under which names.

The idea: every path inside is the same on every machine. The base interpreter is at /opt/python, the
packages are at /opt/analysis, inputs at /data, the program at /program; all of it read-only. Only /out, /tmp
and /dev/shm can be written, each of them of limited size and gone with the sandbox.

It does not cover limits of processes and time (`_shim.py`, `_supervise.py`), and host paths are still
visible in /proc/self/mountinfo, which the kernel offers no way to hide.

Source: bubblewrap's manual; the order of the arguments matters, bubblewrap performs them one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from counterproof.provenance.digests import digest_of
from counterproof.sandbox._seccomp import SOCKET_FAMILIES, refused_calls
from counterproof.sandbox.contract import DATA_DIR, OUT_DIR, PROGRAM_DIR, ExecutionSpec, Limits
from counterproof.sandbox.environments.environment import Environment

MIB = 1 << 20
SHIM = Path(__file__).parent / "_shim.py"
_PYTHON, _ANALYSIS, _SHIM_AT = "/opt/python", "/opt/analysis", "/opt/counterproof/shim.py"
_MPL = "/tmp/matplotlib"  # a path inside the sandbox
WRITABLE = {"out": OUT_DIR, "tmp": "/tmp", "shm": "/dev/shm"}

_ISOLATE = (
    "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-ipc", "--unshare-pid", "--unshare-net",
    "--unshare-uts", "--unshare-cgroup-try", "--disable-userns", "--hostname", "sandbox",
    "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL",
)  # fmt: skip
_TEXTS = {
    "/etc/passwd": "root:x:0:0::/:/bin/false\nanalyst:x:1000:1000::/tmp:/bin/false\n",
    "/etc/group": "root:x:0:\nanalyst:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_HIDDEN = ("/usr/share/fonts", "/usr/local/share/fonts")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """An interpreter as the sandbox mounts it, with packages or without.

    Attributes:
        executable: the base interpreter, below `prefix`.
        prefix: where it is installed.
        version: major and minor.
        site_packages: the packages, None for the bare interpreter.
        fonts: matplotlib's font cache files by name.
    """

    executable: Path
    prefix: Path
    version: str
    site_packages: Path | None = None
    fonts: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, environment: Environment) -> Runtime:
        """Return the runtime of a built environment."""
        executable = environment.base_executable
        cache = environment.font_cache
        fonts = sorted(cache.glob("fontlist-*.json")) if cache.is_dir() else []
        return cls(
            executable=executable,
            prefix=executable.parent.parent,
            version=environment.python,
            site_packages=environment.site_packages,
            fonts={file.name: file.read_bytes() for file in fonts},
        )

    def binds(self) -> dict[str, Path]:
        """Return the host folders that are mounted, by the name of their mount."""
        found = {f"python/{name}": self.prefix / name for name in ("bin", "lib", "lib64")}
        found = {name: path for name, path in found.items() if path.is_dir() and not path.is_symlink()}
        if self.site_packages is not None:
            found["site"] = self.site_packages
        return found


def profile_digest() -> str:
    """Return the digest of everything in the profile that does not depend on the machine."""
    return digest_of(
        {
            "isolate": _ISOLATE,
            "texts": _TEXTS,
            "writable": WRITABLE,
            "refused_calls": refused_calls(),
            "socket_families": SOCKET_FAMILIES,
            "shim": hashlib.sha256(SHIM.read_bytes()).hexdigest(),
        }
    )


def files_of(runtime: Runtime, spec: ExecutionSpec) -> dict[str, bytes]:
    """Return the files that are made inside, by their path there."""
    config = f"home = {_PYTHON}/bin\ninclude-system-site-packages = false\nversion = {runtime.version}\n"
    return {
        _SHIM_AT: SHIM.read_bytes(),
        f"{PROGRAM_DIR}/{spec.program_name}": spec.program,
        f"{_ANALYSIS}/pyvenv.cfg": config.encode(),
        **{path: text.encode() for path, text in _TEXTS.items()},
        **{f"{_MPL}/{name}": data for name, data in runtime.fonts.items()},
    }


def arguments(runtime: Runtime, spec: ExecutionSpec, *, paths: Mapping[str, str], fds: Mapping[str, int]) -> list[str]:
    """Return bubblewrap's arguments.

    Args:
        runtime: the interpreter.
        spec: what is executed.
        paths: where each of `runtime.binds()` and each input (by its target) is on the host now.
        fds: descriptor of the content of each of `files_of()`.
    """
    limits = spec.limits
    scratch = ["--size", str(limits.scratch_mib * MIB), "--tmpfs"]
    args = [*_ISOLATE, *scratch, WRITABLE["tmp"], "--dir", _MPL, *_system()]
    for name in runtime.binds():
        inside = f"{_ANALYSIS}/lib/python{runtime.version}/site-packages" if name == "site" else f"/opt/{name}"
        args += ["--ro-bind", paths[name], inside]
    args += _hide(runtime)
    args += ["--symlink", f"{_PYTHON}/{runtime.executable.relative_to(runtime.prefix)}"]
    args += [f"{_ANALYSIS}/bin/python"]
    args += ["--proc", "/proc", "--dev", "/dev", *scratch, WRITABLE["shm"], "--remount-ro", "/dev"]
    args += ["--size", str(limits.work_mib * MIB), "--tmpfs", WRITABLE["out"], "--dir", DATA_DIR]
    for mount in spec.inputs:
        args += ["--ro-bind", paths[mount.target], mount.target]
    for inside, handle in fds.items():
        args += ["--perms", "0644" if inside.startswith(_MPL) else "0444", "--file", str(handle), inside]
    return [*args, "--setenv", "LD_LIBRARY_PATH", f"{_PYTHON}/lib", "--remount-ro", "/", "--chdir", "/"]


def shim_command(runtime: Runtime, fds: tuple[int, int, int, int]) -> list[str]:
    """Return the command that bubblewrap starts inside."""
    python = f"{_PYTHON}/{runtime.executable.relative_to(runtime.prefix)}"
    return [python, "-I", "-S", _SHIM_AT, *(str(handle) for handle in fds)]


def shim_plan(spec: ExecutionSpec) -> dict[str, object]:
    """Return what the shim does, as JSON values."""
    limits = spec.limits
    return {
        "argv": [f"{_ANALYSIS}/bin/python", "-s", "-P", f"{PROGRAM_DIR}/{spec.program_name}"],
        "env": program_env(spec),
        "cwd": OUT_DIR,
        "rlimits": rlimits(limits),
        "watched": WRITABLE,
        "allowed": [r"results\.json", r"flow\.json", r"tables/[^/]+\.csv", r"figures/[^/]+\.(png|svg)"],
        "folders": ["tables", "figures"],
        "artifact_files": limits.artifact_files,
        "artifact_bytes": limits.artifact_mib * MIB,
        "artifact_depth": limits.artifact_depth,
    }


def rlimits(limits: Limits) -> dict[str, int]:
    """Return the limits of one process; those on data and time are back stops of the supervisor's totals."""
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": limits.cpu_s + 2,
        "RLIMIT_DATA": (limits.memory_mib + limits.memory_mib // 2 + 256) * MIB,
        "RLIMIT_FSIZE": limits.file_mib * MIB,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_NPROC": limits.processes,
    }


def program_env(spec: ExecutionSpec) -> dict[str, str]:
    """Return the program's whole environment; equal on every machine."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {
        "COUNTERPROOF_DATA": DATA_DIR,
        "COUNTERPROOF_OUT": OUT_DIR,
        "COUNTERPROOF_SEED": str(spec.seed),
        "HOME": WRITABLE["tmp"],
        "TMPDIR": WRITABLE["tmp"],
        "PATH": f"{_ANALYSIS}/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": f"{_PYTHON}/lib",
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        **dict.fromkeys(threads, "1"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": _MPL,
        **spec.env,
    }


def _system() -> list[str]:
    args = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_LINKS:
        path = Path(name)
        if path.is_symlink():
            args += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            args += ["--ro-bind", name, name]
    if Path("/etc/ld.so.cache").is_file():
        args += ["--ro-bind", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    return args


def _hide(runtime: Runtime) -> list[str]:
    """Cover what differs between machines: fonts of the system, packages of the base interpreter."""
    base = f"lib/python{runtime.version}/site-packages"
    hidden = [path for path in _HIDDEN if Path(path).is_dir()]
    if (runtime.prefix / base).is_dir():
        hidden.append(f"{_PYTHON}/{base}")
    cover = ["--perms", "0555", "--size", "4096", "--tmpfs"]
    return [item for path in hidden for item in (*cover, path, "--remount-ro", path)]
