"""A set of keyed fingerprints: says whether a value may be in it, and nothing else.

Values are hashed with a secret that is made anew for each set and never leaves the process: text by SipHash-2-4 (as
pandas has it), numbers by mixing their bits with the secret, sequences by a rolling polynomial over the hashes. Of each
hash the upper bits choose a bucket and 32 more are kept, sorted (of small sets, all 64); a bit for each of a few more
upper bits turns most strange values away at once. In a large set a fingerprint takes up to five and a quarter bytes,
and a strange value is taken for a member once in about two hundred million looks, at a million members.

It does not cover telling which member was met.

Source: Aumasson & Bernstein, SipHash, INDOCRYPT 2012, doi:10.1007/978-3-642-34931-7_28.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
_A_BUCKET = 16
_BITS_A_MEMBER = 4
_WHOLE_MAX = 2**16
"""Of no more members, all 64 bits are kept: a long request is a hundred thousand looks, and most sets are small."""
_BLOCK = 2**15
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Keyed:
    """Hashes values under one secret."""

    def __init__(self) -> None:
        self._text_key = secrets.token_hex(8)  # pandas wants sixteen characters
        self._number_key = np.uint64(secrets.randbits(64))
        self._base = np.uint64(secrets.randbits(64) | 1)
        self._powers = np.ones(1, dtype=np.uint64)

    def texts(self, values: Sequence[str]) -> Hashes:
        """Hash texts."""
        array = np.empty(len(values), dtype=object)
        array[:] = values
        hashed: Any = pd.util.hash_array(array, hash_key=self._text_key, categorize=False)
        return np.asarray(hashed, dtype=np.uint64)

    def numbers(self, values: NDArray[np.float64]) -> Hashes:
        """Hash numbers; minus zero is zero."""
        hashes: Hashes = (values + 0.0).view(np.uint64)
        hashes ^= self._number_key
        return _mixed(hashes)

    def joined(self, first: Hashes, second: Hashes, lengths: NDArray[np.int64]) -> Hashes:
        """Return the hashes of sequences followed by others of these lengths."""
        return first * self.power(lengths) + second

    def followed(self, first: Hashes, value: Hashes) -> Hashes:
        """Return the hashes of sequences followed by one value."""
        return first * self._base + value

    def power(self, exponents: NDArray[np.int64]) -> Hashes:
        """Return powers of the polynomial's base."""
        need = int(exponents.max(initial=0)) + 1
        if need > len(self._powers):
            with np.errstate(over="ignore"):
                more = np.cumprod(np.full(max(need, 2 * len(self._powers)) - 1, self._base, dtype=np.uint64))
            self._powers = np.concatenate([np.ones(1, dtype=np.uint64), more])
        return self._powers[exponents]

    def windows(self, hashes: Hashes, length: int) -> Hashes:
        """Return the hash of each run of `length` values; `finished` makes fingerprints of them."""
        ((_, sums),) = self.all_windows(hashes, [length])
        return sums

    def all_windows(self, hashes: Hashes, lengths: Iterable[int]) -> Iterator[tuple[int, Hashes]]:
        """Yield the hash of each run of values, for some lengths in their order; none longer than what there is."""
        size, sums = 0, np.zeros(len(hashes) + 1, dtype=np.uint64)
        for length in sorted({length for length in lengths if length <= len(hashes)}):
            while size < length:
                sums = sums[:-1] * self._base + hashes[size:]
                size += 1
            yield length, sums

    def finished(self, hashes: Hashes, length: NDArray[np.int64] | int) -> Hashes:
        """Mix sequences of some length, so that all their bits count."""
        return _mixed(hashes ^ (np.asarray(length).astype(np.uint64) * _MIX_2) ^ self._number_key)


class FingerprintSet:
    """Fingerprints, packed.

    Args:
        hashes: of the members; repetitions count once.
    """

    def __init__(self, hashes: Hashes) -> None:
        members = np.unique(hashes)
        self._whole = len(members) <= _WHOLE_MAX
        self._bits = max(0, int(len(members) // _A_BUCKET).bit_length() - 1) if len(members) else 0
        buckets = self._bucket(members)
        starts = np.searchsorted(buckets, np.arange((1 << self._bits) + 1, dtype=np.uint64))
        self._starts = starts.astype(np.uint32)
        self._rest = self._remainder(members)
        self._fine = max(3, (_BITS_A_MEMBER * len(members) - 1).bit_length())
        there = np.zeros(1 << self._fine, dtype=np.bool_)
        there[self._place(members)] = True
        self._there = np.packbits(there, bitorder="little")

    def __len__(self) -> int:
        """Return how many fingerprints there are."""
        return len(self._rest)

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes."""
        return self._starts.nbytes + self._rest.nbytes + self._there.nbytes

    def has(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Say of each hash whether it is a member; a strange one may be taken for one, rarely."""
        found = np.zeros(len(hashes), dtype=np.bool_)
        if len(self._rest) and len(hashes):
            place = self._place(hashes)
            perhaps = np.flatnonzero((self._there[place >> 3] >> (place & 7).astype(np.uint8)) & 1)
            found[perhaps] = self._found(hashes[perhaps])
        return found

    def _found(self, hashes: Hashes) -> NDArray[np.bool_]:
        bucket, wanted = self._bucket(hashes).astype(np.int64), self._remainder(hashes)
        low, high = self._starts[bucket].astype(np.int64), self._starts[bucket + 1].astype(np.int64)
        ends = high
        for _ in range(int((high - low).max(initial=1)).bit_length()):
            middle = np.minimum((low + high) >> 1, len(self._rest) - 1)
            less = (self._rest[middle] < wanted) & (low < high)
            low, high = np.where(less, middle + 1, low), np.where(less, high, np.maximum(low, middle))
        found: NDArray[np.bool_] = (low < ends) & (self._rest[np.minimum(low, len(self._rest) - 1)] == wanted)
        return found

    def _place(self, hashes: Hashes) -> NDArray[np.int64]:
        return (hashes >> np.uint64(64 - self._fine)).astype(np.int64)

    def _bucket(self, hashes: Hashes) -> Hashes:
        return hashes >> np.uint64(64 - self._bits) if self._bits else np.zeros(len(hashes), dtype=np.uint64)

    def _remainder(self, hashes: Hashes) -> NDArray[np.uint32] | Hashes:
        return hashes if self._whole else (hashes >> np.uint64(32 - self._bits)).astype(np.uint32)


def _mixed(hashes: Hashes) -> Hashes:
    """Mix 64 bits (the finaliser of SplitMix64), in place, block by block: what is in between stays in the cache."""
    for at in range(0, len(hashes), _BLOCK):
        block = hashes[at : at + _BLOCK]
        block ^= block >> np.uint64(30)
        block *= _MIX_1
        block ^= block >> np.uint64(27)
        block *= _MIX_2
        block ^= block >> np.uint64(31)
    return hashes
