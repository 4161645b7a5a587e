"""Verifying a bundle offline, with neither store nor model: numbered steps, each with its evidence.

 1. container    the zip is canonical: each of its bytes is as it would have been written
 2. bag          every file is listed with its digest, and nothing is missing or too many (RFC 8493)
  3. seal         the service key signed the tag manifest, and so did the authority of a time stamp where there is one
  4. chain        each event carries the hash of the one before and is of its schema; the head is the one that the bag
                  names, and the service key signed it where that is due (record checkpoints)
 5. bodies       every body that an event names is there with its digest, or is listed as withheld and may be
 6. decisions    every checkpoint was decided once, over its subject, signed by the reviewer whom it names, and the
                 study ended as was decided
 7. approvals    every execution on real data came after the approval of exactly its order, used once, and every
                 release after the approval of it
 8. effects      every effect ended, once; second attempts are marked, and no call that gave something is missing
 9. numbers      the report is the one that was signed, and every number of it resolves to a released result
10. marks        nothing synthetic was released, and the label says how the study was reviewed
11. copies       the plain-named files are the ones in the record, what is made for people is what the record gives when
                 it is made again, and no other file is there

All steps are taken even when one fails, as far as what they need can be read. A step with nothing to look at fails,
unless the record shows why there is nothing. A step that found no fault and can't see all of what it checks says so
("cannot be checked here"): another version made the file, or the bundle is redacted, or an authority was not named.

It does not show that a key belongs to a person, nor that somebody who holds the service key did not make the whole
bundle anew: compare its head with one that was published elsewhere. Nor does a signature cover what its subject does
not hold: model calls that led to it, durations, spans. Those rest on the seal and the chain alone.

    verify/verifier.py    taking the steps
    verify/reading.py     the bundle that is being read
    verify/container.py   steps 2 and 3
    verify/history.py     steps 4, 5 and 8
    verify/oversight.py   steps 6 and 7
    verify/claims.py      steps 9, 10 and 11
    verify/remaking.py    a part of step 11: what is made for people, made again
    verify/formats.py     a part of step 11: what is made for other people's programs, made again

Source: numbered steps as in sigstore-python `verify/verifier.py`.
"""

from counterproof.provenance.verify.verifier import Step, Verification, verify_bundle

__all__ = ["Step", "Verification", "verify_bundle"]
