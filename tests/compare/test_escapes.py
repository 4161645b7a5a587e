"""No held-out answer can be read from any sandbox: tried in Python and in R, for every task that we ship."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from counterproof.agents.compare import load_campaign
from counterproof.agents.compare.outside import check_outside
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox import (
    Environment,
    Execution,
    ExecutionSpec,
    LandlockSandbox,
    Language,
    Limits,
    LocalSandbox,
    Mount,
    Sandbox,
    WarmSandbox,
    _profile,
    find_environment,
    run_all,
)
from counterproof.sandbox.landlock import NEVER_HELD
from counterproof.scenarios.campaigns import campaign_path
from counterproof.tools.tasks import PlacedTask, load_task

from ..r import r_or_skip
from ..sandbox.fake import FakeSandbox, Script, Scripted
from .escapes import escape_program
from .tiny import make_task

pytestmark = [pytest.mark.campaign, pytest.mark.abuse]

SHIPPED = dict(load_campaign(campaign_path("dream-style")).tasks)
WHERE = [("cold", "python"), ("cold", "r"), ("warm", "python"), ("warm", "r"), ("landlock", "python")]
NOT_HELD = {"landlock": NEVER_HELD}


def _environment(language: Language) -> Environment:
    return r_or_skip() if language == "r" else find_environment(language)


def _run(name: str, sandbox: Sandbox, environment: Environment, program: str, data: Mapping[str, Path]) -> Execution:
    spec = ExecutionSpec(
        program=program.encode(),
        program_name="program.R" if environment.language == "r" else "program.py",
        environment=environment,
        inputs=tuple(Mount(host=path, target=target) for target, path in data.items()),
        limits=Limits(wall_s=120, cpu_s=120, memory_mib=1024),
        allow_degraded=NOT_HELD.get(name, frozenset()),
    )
    return run_all(sandbox, [spec])[0]


def _held_out(placed: PlacedTask) -> list[Path]:
    return [path for path in (placed.held_out, placed.baseline) if path is not None]


@pytest.fixture
def sandboxes(warm: WarmSandbox) -> Mapping[str, Sandbox]:
    """Each back end that runs programs on this machine."""
    return {"cold": LocalSandbox(), "warm": warm, "landlock": LandlockSandbox()}


@pytest.mark.parametrize("task", SHIPPED)
@pytest.mark.parametrize(("name", "language"), WHERE)
def test_no_program_finds_a_held_out_answer_of_a_shipped_task(
    sandboxes: Mapping[str, Sandbox], name: str, language: Language, task: str
) -> None:
    placed = SHIPPED[task]
    program = escape_program(language, _held_out(placed))
    done = _run(name, sandboxes[name], _environment(language), program, placed.data)
    assert done.status == "ok", done.stderr.data.decode()
    assert b"looked at" in done.stdout.data


@pytest.mark.parametrize(("name", "language"), WHERE)
def test_the_same_program_finds_an_answer_that_lies_among_the_data(
    sandboxes: Mapping[str, Sandbox], tmp_path: Path, name: str, language: Language
) -> None:
    placed = load_task(make_task(tmp_path / "tiny"))
    data = {**placed.data, "other.csv": placed.held_out}
    done = _run(name, sandboxes[name], _environment(language), escape_program(language, [placed.held_out]), data)
    assert done.status == "error"
    assert b"FOUND" in done.stderr.data


def test_landlock_takes_no_program_in_r(sandboxes: Mapping[str, Sandbox]) -> None:
    with pytest.raises(UsageError, match=r"runs Python programs only.*Use LocalSandbox"):
        _run("landlock", sandboxes["landlock"], _environment("r"), "1", {})


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_a_link_to_the_answers_is_not_collected_as_predictions(
    sandboxes: Mapping[str, Sandbox], tmp_path: Path, kind: str
) -> None:
    placed = load_task(make_task(tmp_path / "tiny"))
    make = "os.symlink" if kind == "link" else "os.link"
    program = f"""
import os
os.mkdir("tables")
try:
    {make}({str(placed.held_out)!r}, "tables/predictions.csv")
except OSError as error:
    print(error)
"""
    for name, sandbox in sandboxes.items():
        done = _run(name, sandbox, _environment("python"), program, placed.data)
        assert done.artifacts == (), name


@pytest.mark.parametrize("language", ["python", "r"])
def test_answers_that_a_sandbox_shows_stop_the_cells(warm: WarmSandbox, tmp_path: Path, language: Language) -> None:
    placed, environment = load_task(make_task(tmp_path / "tiny")), _environment(language)
    check_outside(warm, environment, [placed, *SHIPPED.values()])
    shown = PlacedTask(task=placed.task, data=placed.data, held_out=next(_some_of_the_system()))
    with pytest.raises(UsageError, match=r"held-out answers of task tiny: /usr/\S+ is shown.*Move the task"):
        check_outside(warm, environment, [*SHIPPED.values(), shown])


def test_answers_that_a_sandbox_shows_under_another_name_stop_the_cells(warm: WarmSandbox, tmp_path: Path) -> None:
    placed, environment = load_task(make_task(tmp_path / "tiny")), _environment("python")
    moved = next(path for path in environment.site_packages.rglob("*.py") if path.stat().st_size > 1000)
    shown = PlacedTask(task=placed.task, data=placed.data, held_out=moved)
    with pytest.raises(UsageError, match="is shown in the sandbox"):
        check_outside(warm, environment, [shown])


def test_where_it_can_not_be_tried_nothing_runs(tmp_path: Path) -> None:
    placed = load_task(make_task(tmp_path / "tiny"))
    silent = FakeSandbox(_Whatever())
    with pytest.raises(MachineTrouble, match=r"could not be tried.*Nothing has run"):
        check_outside(silent, _environment("python"), [placed])


@pytest.mark.parametrize("name", ["cold", "warm"])
@pytest.mark.parametrize("language", ["python", "r"])
def test_counterproof_below_usr_is_seen_by_no_program(
    monkeypatch: pytest.MonkeyPatch, name: str, language: Language
) -> None:
    folder = next(path for path in Path("/usr/share").iterdir() if path.is_dir() and len(list(path.iterdir())) > 3)
    program = {
        "python": f"import os; print(len(os.listdir({str(folder)!r})))",
        "r": f"cat(length(list.files({str(folder)!r})), '\\n', sep = '')",
    }[language]
    seen = []
    for application in (_profile.APPLICATION, folder):
        monkeypatch.setattr(_profile, "APPLICATION", application)
        sandbox = WarmSandbox() if name == "warm" else LocalSandbox()
        done = _run(name, sandbox, _environment(language), program, {})
        assert done.status == "ok", done.stderr.data
        seen.append(int(done.stdout.data))
    assert seen[0] > 3
    assert seen[1] == 0


class _Whatever(dict[bytes, Script]):
    """Scripts for a sandbox in which every program ends without a word."""

    def __contains__(self, _program: object) -> bool:
        return True

    def __missing__(self, _program: bytes) -> Script:
        return lambda _spec, _given: Scripted()


def _some_of_the_system() -> Iterator[Path]:
    """Yield files below /usr that everybody may read."""
    for path in sorted(Path("/usr/share").rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size > 100 and path.stat().st_mode & 0o4:
            yield path
