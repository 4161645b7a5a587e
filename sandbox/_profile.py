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
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from counterproof.provenance.digests import digest_of
from counterproof.sandbox import _r_profile
from counterproof.sandbox._bytecode import bytecode
from counterproof.sandbox._seccomp import SOCKET_FAMILIES, refused_calls
from counterproof.sandbox.contract import DATA_DIR, OUT_DIR, PROGRAM_DIR, ExecutionSpec, Limits
from counterproof.sandbox.environments._r import RInstallation
from counterproof.sandbox.environments.environment import Environment

MIB = 1 << 20
_HERE = Path(__file__).parent
APPLICATION = _HERE.resolve().parent
"""Counterproof itself, with what comes with it: held-out answers too. No program sees it, wherever it is installed."""
SHIM = _HERE / "_shim.py"
MOST_WARM_INPUT_BYTES, MOST_WARM_INPUT_FILES = 64 * MIB, 128
_PYTHON, _ANALYSIS, _SHIM_AT = "/opt/python", "/opt/analysis", "/opt/counterproof/shim.py"
_MPL = "/tmp/matplotlib"  # a path inside the sandbox
_ENTRY_AT = "/opt/counterproof/importlib_bootstrap.py"
_INSIDE = {
    _SHIM_AT: SHIM,
    _ENTRY_AT: _HERE / "_warm_entry.py",
    "/opt/counterproof/zygote.py": _HERE / "_zygote.py",
    "/opt/counterproof/first.py": _HERE / "_first.py",
    "/opt/counterproof/program.py": _HERE / "_program.py",
    "/opt/counterproof/confine.py": _HERE / "_confine.py",
}
WRITABLE = {"out": OUT_DIR, "tmp": "/tmp", "shm": "/dev/shm"}

_ISOLATE = (
    "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-ipc", "--unshare-pid", "--unshare-net",
    "--unshare-uts", "--unshare-cgroup-try", "--disable-userns", "--hostname", "sandbox",
    "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL",
)  # fmt: skip
# The template has every right over its own namespaces, which the executions' processes give up; it runs no program.
_TEMPLATE = (
    "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-ipc", "--unshare-pid", "--unshare-net",
    "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox",
    "--die-with-parent", "--new-session", "--as-pid-1", "--cap-add", "ALL",
)  # fmt: skip
WARM_NAMESPACES = ("mnt", "cgroup", "uts", "ipc", "net")  # beside pid and user, without which nothing starts
# bubblewrap's own `--dev` would make a second user namespace, in which the template had no rights.
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}
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
        r: the R that runs the programs; None where the interpreter itself does.
    """

    executable: Path
    prefix: Path
    version: str
    site_packages: Path | None = None
    fonts: Mapping[str, bytes] = field(default_factory=dict)
    r: RInstallation | None = None

    @classmethod
    def bare(cls, r: RInstallation | None = None) -> Runtime:
        """Return the interpreter that this process runs on, without packages; beside R it runs the shim alone."""
        executable = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]  # no public name for it
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return cls(executable=executable, prefix=executable.parent.parent, version=version, r=r)

    @classmethod
    def of(cls, environment: Environment) -> Runtime:
        """Return the runtime of a built environment."""
        if environment.language == "r":
            return cls.bare(environment.r)
        executable = environment.base_executable
        cache = environment.font_cache
        fonts = sorted(cache.glob("fontlist-*.json")) if cache.is_dir() else []
        return cls(
            executable=executable,
            prefix=executable.parent.parent,
            version=environment.version,
            site_packages=environment.site_packages,
            fonts={file.name: file.read_bytes() for file in fonts},
        )

    @cached_property
    def binds(self) -> Mapping[str, Path]:
        """The host folders that are mounted, by the name of their mount."""
        found = {f"python/{name}": self.prefix / name for name in ("bin", "lib", "lib64")}
        found = {name: path for name, path in found.items() if path.is_dir() and not path.is_symlink()}
        if self.site_packages is not None:
            found["site"] = self.site_packages
        if self.r is not None:
            found |= _r_profile.binds(self.r)
        return found

    def mounted_at(self, name: str) -> str:
        """Return where a mount of `binds()` is inside."""
        if name == "site":
            return f"{_ANALYSIS}/lib/python{self.version}/site-packages"
        return _r_profile.inside(name, self.binds[name])


def profile_digest() -> str:
    """Return the digest of everything in the profile that does not depend on the machine; one for warm and cold."""
    return digest_of(
        {
            "isolate": _ISOLATE,
            "template": _TEMPLATE,
            "warm_namespaces": WARM_NAMESPACES,
            "texts": _TEXTS,
            "r": _r_profile.fixed(),
            "devices": _DEVICES,
            "writable": WRITABLE,
            "refused_calls": refused_calls(),
            "socket_families": SOCKET_FAMILIES,
            "inside": {path: hashlib.sha256(file.read_bytes()).hexdigest() for path, file in _INSIDE.items()},
        }
    )


def files_of(runtime: Runtime, spec: ExecutionSpec, given: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that are made inside, by their path there."""
    return {
        _SHIM_AT: _shim(runtime),
        f"{PROGRAM_DIR}/{spec.program_name}": spec.program,
        **_world_files(runtime),
        **(_r_profile.files(runtime.r) if runtime.r else {}),
        **{f"{OUT_DIR}/{name}": data for name, data in given.items()},
    }


def template_files(runtime: Runtime) -> dict[str, bytes]:
    """Return the files that are made inside the warm template, by their path there."""
    return {**{path: file.read_bytes() for path, file in _INSIDE.items()}, **_world_files(runtime)}


def arguments(runtime: Runtime, spec: ExecutionSpec, *, paths: Mapping[str, str], fds: Mapping[str, int]) -> list[str]:
    """Return bubblewrap's arguments for one cold execution.

    Args:
        runtime: the interpreter.
        spec: what is executed.
        paths: where each of `runtime.binds` and each input (by its target) is on the host now.
        fds: descriptor of the content of each of `files_of()`.
    """
    limits = spec.limits
    args = [*_ISOLATE, *_world(runtime, paths, tmp_mib=limits.scratch_mib, shm_mib=limits.shm_mib)]
    args += [*_tmpfs(WRITABLE["out"], limits.work_mib), "--dir", DATA_DIR]
    for mount in spec.inputs:
        args += ["--ro-bind", paths[mount.target], mount.target]
    cover, protect = (_r_profile.cover(runtime.r), _r_profile.protect(runtime.r)) if runtime.r else ([], [])
    args += [*cover, *_files(fds), *protect]
    return [*args, "--setenv", "LD_LIBRARY_PATH", f"{_PYTHON}/lib", "--remount-ro", "/", "--chdir", "/"]


def template_arguments(runtime: Runtime, *, paths: Mapping[str, str], fds: Mapping[str, int]) -> list[str]:
    """Return bubblewrap's arguments for the warm template; see `arguments`."""
    args = [*_TEMPLATE, *_world(runtime, paths, tmp_mib=64, shm_mib=64)]
    for path in (OUT_DIR, DATA_DIR, PROGRAM_DIR):
        args += ["--dir", path]
    for name, value in _base_env().items():
        args += ["--setenv", name, value]
    return [*args, *_files(fds), "--remount-ro", "/", "--chdir", "/"]


def template_plan(preload: tuple[str, ...], code: bytes) -> dict[str, object]:
    """Return what the zygote does for every execution, as JSON values."""
    return {
        "preload": preload,
        "namespaces": WARM_NAMESPACES,
        "fixed": {DATA_DIR: MOST_WARM_INPUT_BYTES + (8 << 20), PROGRAM_DIR: 64 * MIB},
        "fonts": _MPL,
        "env": _seeded_env(0),
        "user": True,
        "ids": [1000, 1000],
        "drop": True,
        "filter": code.hex(),
    }


def waiting_plan(limits: Limits) -> dict[str, object]:
    """Return what the processes of a warm execution are before they have their order, as values of JSON."""
    sizes = {"out": limits.work_mib, "tmp": limits.scratch_mib, "shm": limits.shm_mib}
    writable = {path: sizes[name] * MIB for name, path in WRITABLE.items()}
    return {"writable": writable, "inodes": limits.work_files, "cwd": OUT_DIR, "rlimits": rlimits(limits)}


def shim_command(runtime: Runtime, fds: tuple[int, int, int, int]) -> list[str]:
    """Return the command that bubblewrap starts inside."""
    python = f"{_PYTHON}/{runtime.executable.relative_to(runtime.prefix)}"
    return [python, "-I", "-S", _SHIM_AT, *(str(handle) for handle in fds)]


def template_command(*fds: int) -> list[str]:
    """Return the command that bubblewrap starts inside the warm template."""
    return [f"{_ANALYSIS}/bin/python", "-s", "-P", _ENTRY_AT, *(str(handle) for handle in fds)]


def shim_plan(spec: ExecutionSpec, given: Iterable[str]) -> dict[str, object]:
    """Return what the shim does, as values of JSON."""
    return {**program_plan(spec), "rlimits": rlimits(spec.limits), **watching_plan(spec, given)}


def program_plan(spec: ExecutionSpec) -> dict[str, object]:
    """Return what the program finds in its own process, as values of JSON."""
    program = f"{PROGRAM_DIR}/{spec.program_name}"
    r = _r_profile.installation_of(spec.environment)
    return {
        "argv": _r_profile.command(r, program) if r else [f"{_ANALYSIS}/bin/python", "-s", "-P", program],
        "env": program_env(spec),
    }


def watching_plan(spec: ExecutionSpec, given: Iterable[str]) -> dict[str, object]:
    """Return what is looked at and collected when the program has ended, as values of JSON."""
    limits = spec.limits
    return {
        "cwd": OUT_DIR,
        "watched": WRITABLE,
        "names": ["results.json", "flow.json"],
        "kinds": [["tables/", ".csv"], ["figures/", ".png"], ["figures/", ".svg"]],
        "folders": ["tables", "figures"],
        "given": sorted(given),
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
    r = _r_profile.installation_of(spec.environment)
    own = _r_profile.variables(r) if r else {}
    return {**_seeded_env(spec.seed), **own, **spec.env}


def _seeded_env(seed: int) -> dict[str, str]:
    return {**_base_env(), "COUNTERPROOF_SEED": str(seed)}


def _base_env() -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {
        "COUNTERPROOF_DATA": DATA_DIR,
        "COUNTERPROOF_OUT": OUT_DIR,
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
        "JE_ARROW_MALLOC_CONF": "background_thread:false",  # its thread would make the warm template unsafe to fork
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": _MPL,
    }


def _shim(runtime: Runtime) -> bytes:
    """Return the shim for this interpreter; bytecode where it is the one that this process runs on."""
    source = SHIM.read_bytes()
    return bytecode(source, _SHIM_AT) if runtime.executable == Runtime.bare().executable else source


def _world_files(runtime: Runtime) -> dict[str, bytes]:
    config = f"home = {_PYTHON}/bin\ninclude-system-site-packages = false\nversion = {runtime.version}\n"
    return {
        f"{_ANALYSIS}/pyvenv.cfg": config.encode(),
        **{path: text.encode() for path, text in _TEXTS.items()},
        **{f"{_MPL}/{name}": data for name, data in runtime.fonts.items()},
    }


def _world(runtime: Runtime, paths: Mapping[str, str], *, tmp_mib: int, shm_mib: int) -> list[str]:
    """Return the mounts that a cold execution and the warm template have in common."""
    args = [*_tmpfs(WRITABLE["tmp"], tmp_mib), "--dir", _MPL, *_system()]
    for name in runtime.binds:
        args += ["--ro-bind", paths[name], runtime.mounted_at(name)]
    args += _hide(runtime)
    args += ["--symlink", f"{_PYTHON}/{runtime.executable.relative_to(runtime.prefix)}"]
    args += [f"{_ANALYSIS}/bin/python", "--proc", "/proc", "--size", "65536", "--tmpfs", "/dev"]
    for name in _DEVICES:
        args += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, rest in _DEVICE_LINKS.items():
        args += ["--symlink", f"/proc/self/fd{rest}", f"/dev/{name}"]
    return [*args, *_tmpfs(WRITABLE["shm"], shm_mib), "--remount-ro", "/dev"]


def _tmpfs(path: str, size_mib: int) -> list[str]:
    return ["--size", str(size_mib * MIB), "--tmpfs", path]


def _files(fds: Mapping[str, int]) -> list[str]:
    args: list[str] = []
    for inside, handle in fds.items():
        own = inside.startswith((_MPL, f"{OUT_DIR}/"))
        args += ["--perms", "0644" if own else "0444", "--file", str(handle), inside]
    return args


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
    """Cover Counterproof itself, and what differs between machines: system fonts, packages of the base interpreter."""
    base = f"lib/python{runtime.version}/site-packages"
    hidden = [*_application(runtime), *(path for path in _HIDDEN if Path(path).is_dir())]
    if (runtime.prefix / base).is_dir():
        hidden.append(f"{_PYTHON}/{base}")
    cover = ["--perms", "0555", "--size", "4096", "--tmpfs"]
    return [item for path in hidden for item in (*cover, path, "--remount-ro", path)]


def _application(runtime: Runtime) -> list[str]:
    """Return where Counterproof would be seen inside: below /usr, and below each folder that is mounted."""
    shown = {"/usr": Path("/usr"), **{runtime.mounted_at(name): path for name, path in runtime.binds.items()}}
    within = {inside: host.resolve() for inside, host in shown.items()}
    return [f"{at}/{APPLICATION.relative_to(host)}" for at, host in within.items() if host in APPLICATION.parents]
