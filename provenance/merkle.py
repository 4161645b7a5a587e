"""The Merkle tree over the lines of a record, as in Certificate Transparency: one root stands for all of them.

With the root and a proof of a few hashes it can be shown that one line is in a record (inclusion), or that a record is
the beginning of a longer one (consistency), without showing the other lines. Leaves and nodes are hashed with
different prefixes, so neither passes for the other.

It does not cover who vouches for a root (`record_checkpoints`).

Source: RFC 6962, sections 2.1, 2.1.1 and 2.1.2; verification as in RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(line: bytes) -> bytes:
    """Return the 32-byte hash of one line, without its newline."""
    return hashlib.sha256(b"\x00" + line).digest()


class Tree:
    """A tree that grows by one leaf at a time; it keeps one hash per full subtree, so O(log n) memory.

    Args:
        leaves: leaf hashes to begin with.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        for leaf in leaves:
            self.add(leaf)

    def copy(self) -> Tree:
        """Return a tree that grows on its own from here."""
        other = Tree()
        other.size, other._peaks = self.size, self._peaks.copy()
        return other

    def add(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        node, size = leaf, self.size
        while size & 1:
            node = _node(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash that stands for all leaves; that of nothing for an empty tree."""
        if not self._peaks:
            return EMPTY
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = _node(peak, node)
        return node


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes, from the leaf up, that lead from leaf `index` to the root of all `leaves`.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"There is no leaf {index} among {len(leaves)}.")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), Tree(leaves[split:]).root()]
    return [*inclusion_proof(leaves[split:], index - split), Tree(leaves[:split]).root()]


def is_included(leaf: bytes, index: int, *, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether the proof shows that `leaf` is number `index` of the `size` leaves under `root`."""
    if not 0 <= index < size:
        return False
    node, at, last = leaf, index, size - 1
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = _node(step, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = _node(node, step)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """Return the hashes that show that the first `size` leaves are the beginning of all of them.

    Raises:
        IndexError: `size` is not between 1 and the number of leaves.
    """
    if not 1 <= size <= len(leaves):
        raise IndexError(f"{size} leaves are no beginning of {len(leaves)}.")
    return _subproof(leaves, size, whole=True)


def is_consistent(*, size: int, root: bytes, later_size: int, later_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether the proof shows that the tree `root` of `size` leaves is the beginning of `later_root`."""
    if not 1 <= size <= later_size:
        return False
    if size == later_size:
        return not proof and root == later_root
    steps = list(proof)
    if size & (size - 1) == 0:
        steps.insert(0, root)
    if not steps:
        return False
    at, last = size - 1, later_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = _node(step, old), _node(step, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = _node(new, step)
        at, last = at >> 1, last >> 1
    return last == 0 and (old, new) == (root, later_root)


def _subproof(leaves: Sequence[bytes], size: int, *, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [Tree(leaves).root()]
    split = _split(len(leaves))
    if size <= split:
        return [*_subproof(leaves[:split], size, whole=whole), Tree(leaves[split:]).root()]
    return [*_subproof(leaves[split:], size - split, whole=False), Tree(leaves[:split]).root()]


def _split(size: int) -> int:
    """Return the largest power of two that is smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
