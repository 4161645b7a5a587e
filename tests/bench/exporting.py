"""Exports the bundle of a study that shares one large file, in turns with a plain zip of it, in a process of its own.

    python -m tests.bench.exporting FOLDER MIB TURNS [body]    prints seconds of both, and the greatest resident set

The plain zip is what `zipfile` writes of the same file, stored, and flushed to the disk as an export is.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from counterproof.agents.bundling import make_bundle
from counterproof.agents.models import ModelConfig
from counterproof.agents.settings import DataFile, StudySettings
from counterproof.agents.study import OpenStudy, Workplace, open_study, open_workplace, start_study
from counterproof.provenance.digests import sha256_file
from counterproof.provenance.events import Ref
from counterproof.provenance.ledger import Entry
from counterproof.provenance.transparency import make_statement

_PIECE = 1 << 20


def random_file(path: Path, mib: int) -> None:
    """Write a file without holes that can't be compressed."""
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(_PIECE))


def ended_study(home: Path, data: Path, *, body: bool = False) -> tuple[Workplace, OpenStudy]:
    """Make a study that shares a file and ended after its intake.

    Args:
        home: of the installation.
        data: the file; it is moved to the vault.
        body: whether the twin is such a file too, so that a body is as large as the data.
    """
    place = open_workplace(home)
    digest = sha256_file(data)
    kept = place.vault.path(digest)
    kept.parent.mkdir(parents=True)
    data.rename(kept)
    entry = Entry(sha256=digest, name="large.bin", size=kept.stat().st_size, share=True)
    place.vault.ledger.added(entry, by="the bench")
    settings = StudySettings(
        title="One large file",
        question="How long does its export take?",
        mode="study",
        share_data=True,
        data=(DataFile(name="large.bin", sha256=digest, size=kept.stat().st_size),),
        model=ModelConfig(model="none", base_url="http://127.0.0.1:9/v1", api_key_env=""),
    )
    study = open_study(place, start_study(place, "study-bench", settings.model_dump(mode="json")))
    lists: dict[str, object] = {name: [] for name in ("identifiers", "quasi_identifiers", "noticed", "twins")}
    found = {**lists, "synthetic_mark": "SYNTHETIC", "rows": {"large.bin": 0}}
    ended = {"ended": "cannot_conclude", "reason": "a measurement", "plan": "", "released": "", "report": ""}
    refs = [study.record.put("profile", b"{}")]
    if body:
        other = study.record.blobs.path(digest)
        other.parent.mkdir(parents=True, exist_ok=True)
        os.link(kept, other)
        refs.append(Ref(role="twin:large.bin", sha256=digest, size=kept.stat().st_size, media="text/csv"))
    study.record.append("intake.finished", data=found, refs=refs)
    statement = make_statement(study.record.events(), study.record.blobs)
    stated = [study.record.put("statement.json", statement.to_json())]
    study.record.append("statement.made", data={"checkpoint": ""}, refs=stated)
    study.record.append("study.ended", data=ended)
    return place, study


def main() -> None:
    """Do what the module says."""
    folder, mib, turns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    data = folder / "large.bin"
    random_file(data, mib)
    place, study = ended_study(folder / "home", data, body=sys.argv[4:] == ["body"])
    kept = place.vault.path(study.settings.data[0].sha256)
    plain, export = [], []
    for _ in range(turns):
        plain.append(_timed(lambda: _plain_zip(folder / "plain.zip", kept)))
        export.append(_timed(lambda: make_bundle(place, study, folder / "bundle.zip")))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"plain_s": plain, "export_s": export, "peak_mib": peak_mib}))


def _plain_zip(target: Path, source: Path) -> None:
    with target.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.write(source, "large.bin")
        file.flush()
        os.fsync(file.fileno())


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
