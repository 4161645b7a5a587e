"""A BagIt bag that is written as a zip in one pass.

Every file is opened, hashed and written once, and the manifests are made from the digests that were computed on the
way, so nothing is copied to a temporary folder and no large file is ever whole in memory. It takes no second pass
because the names come in the order in which their bytes get known: `bag-info.txt` and `bagit.txt` need sizes only,
`data/` is written as it is read, `manifest-…` lists it, `signatures/` cover `tagmanifest-…`, which is known by then.

What was told of a file before (its size, which the RO-Crate names, and its digest, which the record names) must hold
when it is read; if not, the writing stops.

It does not cover what is in a bag (`bundle`), nor the bytes of a zip (`zips`).

Source: RFC 8493 (BagIt 1.0). Names need no percent-encoding: they hold no line ends and no percent signs.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import IO

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.zips import Source, ZipWriter

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
_TOLD_EVERY = 256 * 2**20

Signatures = Callable[[bytes], Mapping[str, bytes]]
"""Gives, for the bytes of the tag manifest, the files under `signatures/` by their names in the bag."""


def in_memory(data: bytes) -> Source:
    """Return a file of a bag whose bytes are at hand."""
    return Source(open=partial(io.BytesIO, data), size=len(data), sha256=sha256_bytes(data))


def write_bag(
    target: IO[bytes],
    top: str,
    *,
    info: Mapping[str, str],
    payload: Mapping[str, Source],
    sign: Signatures,
    beside: Mapping[str, bytes],
    progress: Callable[[str], None] = lambda _line: None,
) -> None:
    """Write a bag.

    Args:
        target: a file that is open for writing and can be moved in.
        top: name of the bag's folder.
        info: what `bag-info.txt` says, without the payload's size.
        payload: the files of the payload by their names in it.
        sign: makes the signatures of the tag manifest.
        beside: files that lie beside the signatures and are covered by them, by their names in the bag.
        progress: is told how far a large file has come.

    Raises:
        VerificationFailed: a file is not the one that was announced.
    """
    tags = {
        INFO: info_file(info, [source.size for source in payload.values()]),
        "bagit.txt": DECLARATION.encode(),
    }
    with ZipWriter(target) as archive:
        for name, data in sorted(tags.items()):
            archive.add(f"{top}/{name}", in_memory(data))
        digests = {
            f"data/{name}": _add(archive, f"{top}/data/{name}", payload[name], progress) for name in sorted(payload)
        }
        tags[MANIFEST] = _manifest(digests)
        archive.add(f"{top}/{MANIFEST}", in_memory(tags[MANIFEST]))
        covered = _manifest({name: sha256_bytes(data) for name, data in {**tags, **beside}.items()})
        for name, data in sorted({**sign(covered), **beside}.items()):
            archive.add(f"{top}/{name}", in_memory(data))
        archive.add(f"{top}/{TAG_MANIFEST}", in_memory(covered))


def info_file(info: Mapping[str, str], sizes: Collection[int]) -> bytes:
    """Return `bag-info.txt`.

    Args:
        info: what it says, by the names of its rows, without the payload's size.
        sizes: of the files of the payload, in bytes.
    """
    rows = {**info, "Payload-Oxum": f"{sum(sizes)}.{len(sizes)}"}
    return "".join(f"{name}: {value}\n" for name, value in sorted(rows.items())).encode()


def _manifest(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()


def _add(archive: ZipWriter, name: str, source: Source, progress: Callable[[str], None]) -> str:
    told = 0

    def check(done: int) -> None:
        nonlocal told
        if done > source.size:
            raise VerificationFailed(
                f"The file {name} has grown past {source.size} bytes while it was read.", advice=_ADVICE
            )
        if done - told >= _TOLD_EVERY:
            told = done
            progress(f"{name}: {done >> 20} of {source.size >> 20} MiB")

    written = archive.add(name, source, told=check)
    if written.size != source.size or source.sha256 not in ("", written.sha256):
        raise VerificationFailed(
            f"The file {name} is not the one that it was: it has {written.size} bytes and the SHA-256 "
            f"{written.sha256}, and was announced with {source.size} bytes and {source.sha256 or 'no digest'}.",
            advice=_ADVICE,
        )
    return written.sha256


_ADVICE = "Nothing was exported. Restore the file from a backup, then export again."
