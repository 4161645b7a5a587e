"""The Merkle tree: the published vectors, and every proof over small trees against its definition."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from counterproof.provenance.merkle import (
    EMPTY,
    Tree,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
)

_INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""What the test vectors of Certificate Transparency's reference implementation are made of."""
_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
_SIZES = range(1, 34)


def _leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def _defined(leaves: Sequence[bytes]) -> bytes:
    """The definition in RFC 6962, section 2.1, word for word."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + _defined(leaves[:split]) + _defined(leaves[split:])).digest()


@pytest.mark.parametrize(("size", "root"), _ROOTS.items())
def test_published_roots(size: int, root: str) -> None:
    assert Tree(map(leaf_hash, _INPUTS[:size])).root().hex() == root


def test_empty_tree_is_the_hash_of_nothing() -> None:
    assert Tree().root() == EMPTY == _defined([])


@pytest.mark.parametrize("size", _SIZES)
def test_root_is_as_defined_at_every_size(size: int) -> None:
    assert Tree(_leaves(size)).root() == _defined(_leaves(size))


@pytest.mark.parametrize("size", _SIZES)
def test_each_leaf_has_a_proof_that_holds_for_it_alone(size: int) -> None:
    leaves = _leaves(size)
    root = Tree(leaves).root()
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(leaves, index)
        assert is_included(leaf, index, size=size, proof=proof, root=root)
        assert not is_included(leaf_hash(b"other"), index, size=size, proof=proof, root=root)
        assert not is_included(leaf, index, size=size, proof=[*proof, EMPTY], root=root)
        assert not is_included(leaf, size, size=size, proof=proof, root=root)
        for wrong in range(size):
            assert wrong == index or not is_included(leaf, wrong, size=size, proof=proof, root=root)
        for at in range(len(proof)):
            changed = [*proof[:at], EMPTY, *proof[at + 1 :]]
            assert not is_included(leaf, index, size=size, proof=changed, root=root)
            assert not is_included(leaf, index, size=size, proof=[*proof[:at], *proof[at + 1 :]], root=root)


@pytest.mark.parametrize("later", _SIZES)
def test_each_beginning_has_a_proof_that_holds_for_it_alone(later: int) -> None:
    leaves = _leaves(later)
    later_root = Tree(leaves).root()
    for size in range(1, later + 1):
        root = Tree(leaves[:size]).root()
        proof = consistency_proof(leaves, size)
        assert is_consistent(size=size, root=root, later_size=later, later_root=later_root, proof=proof)
        assert not is_consistent(size=size, root=EMPTY, later_size=later, later_root=later_root, proof=proof)
        assert not is_consistent(size=size, root=root, later_size=later, later_root=EMPTY, proof=proof)
        for at in range(len(proof)):
            changed = [*proof[:at], EMPTY, *proof[at + 1 :]]
            assert not is_consistent(size=size, root=root, later_size=later, later_root=later_root, proof=changed)


def test_what_is_out_of_range_has_no_proof() -> None:
    with pytest.raises(IndexError, match="no leaf 2 among 2"):
        inclusion_proof(_leaves(2), 2)
    with pytest.raises(IndexError, match="3 leaves are no beginning of 2"):
        consistency_proof(_leaves(2), 3)
