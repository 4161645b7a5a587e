"""The Merkle tree of a record, checked by pymerkle: other people's code, in the validators' environment (GPL).

It finds the same roots, and our inclusion proofs hold. Its consistency proofs have a form of their own, with other
subtrees than RFC 6962 takes: those that it makes hold between our roots, and each hash in ours is the root of a part of
the lines. That ours lead from one root to the other is in `test_merkle.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.merkle import Tree, consistency_proof, inclusion_proof, leaf_hash
from counterproof.provenance.record import Record

pytestmark = pytest.mark.third_party
PYTHON = Path(sys.prefix) / "validators" / "bin" / "python"
SIZES = (1, 2, 3, 7, 8, 13, 20)
_PYMERKLE = """
import json, sys
from pymerkle import InclusionProof, InmemoryTree
from pymerkle.core import _inclusion_path_layout
from pymerkle.proof import InvalidProof
given = json.load(sys.stdin)
lines, roots = [line.encode() for line in given["lines"]], {int(size): root for size, root in given["roots"].items()}
tree = InmemoryTree.init_from_entries(lines, algorithm="sha256")
told = {"roots": {size: tree.get_root(size).hex() for size in roots}, "refused": [], "strange": []}
def bytes_of(proof):
    return [bytes.fromhex(step) for step in proof]
def holds(check):
    try:
        check()
    except InvalidProof as error:
        told["refused"].append(str(error))
for at, size, proof in given["inclusion"]:
    rule, _ = _inclusion_path_layout(at + 1, size)
    leaf, root = tree.get_leaf(at + 1), bytes.fromhex(roots[size])
    made = InclusionProof("sha256", True, size, at + 1, rule, [leaf, *bytes_of(proof)])
    holds(lambda: made.verify(leaf, root, index=at + 1, size=size, algorithm="sha256"))
parts = {InmemoryTree.init_from_entries(lines[a:b], algorithm="sha256").get_root().hex()
         for a in range(len(lines)) for b in range(a + 1, len(lines) + 1)}
for before, size, proof in given["consistency"]:
    first, later = (bytes.fromhex(roots[one]) for one in (before, size))
    made = tree.prove_consistency(before, size)
    holds(lambda: made.verify(first, later, prior_size=before, later_size=size, algorithm="sha256"))
    told["strange"] += [step for step in proof if step not in parts]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of a real record."""
    folder = tmp_path_factory.mktemp("merkle")
    record = Record(folder, blobs=Blobs(folder / "blobs"))
    for number in range(max(SIZES)):
        record.append("note", data={"number": number, "µ": "ü"}, durable=False)
    return record.path.read_text(encoding="utf-8").splitlines()


def _proofs(lines: list[str]) -> dict[str, Any]:
    leaves = [leaf_hash(line.encode()) for line in lines]
    return {
        "lines": lines,
        "roots": {size: Tree(leaves[:size]).root().hex() for size in SIZES},
        "inclusion": [
            [at, size, [step.hex() for step in inclusion_proof(leaves[:size], at)]]
            for size in SIZES
            for at in range(size)
        ],
        "consistency": [
            [before, size, [step.hex() for step in consistency_proof(leaves[:size], before)]]
            for size in SIZES
            for before in SIZES
            if before <= size
        ],
    }


def _told(given: dict[str, Any]) -> dict[str, Any]:
    assert PYTHON.exists(), f"There are no validators at {PYTHON}: run `make .venv/.validators`."
    command = [str(PYTHON), "-c", _PYMERKLE]
    told = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_roots_and_proofs_hold(lines: list[str]) -> None:
    given = _proofs(lines)
    told = _told(given)
    assert told["roots"] == {str(size): root for size, root in given["roots"].items()}
    assert told["refused"] == told["strange"] == []


def test_changed_inclusion_proofs_are_refused(lines: list[str]) -> None:
    given = {**_proofs(lines), "consistency": []}
    given["inclusion"] = [[at, size, ["00" * 32, *proof[1:]]] for at, size, proof in given["inclusion"] if proof]
    assert len(_told(given)["refused"]) == len(given["inclusion"]) > 50


def test_a_root_that_is_not_of_these_lines_is_refused(lines: list[str]) -> None:
    given = _proofs(lines)
    given |= {"inclusion": [], "roots": {**given["roots"], 8: "00" * 32}}
    given["consistency"] = [one for one in given["consistency"] if 8 in one[:2]]
    assert len(_told(given)["refused"]) == len(given["consistency"]) == len(SIZES)


def test_a_hash_that_stands_for_no_part_of_the_lines_is_found(lines: list[str]) -> None:
    given = _proofs(lines)
    given["consistency"][1][2] = ["00" * 32]
    assert _told(given)["strange"] == ["00" * 32]
