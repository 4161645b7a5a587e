"""The study in the formats of others, so that their programs can check and show it.

    steps.py            the steps of a study, which all formats name alike; `workflow.json`
    workflow_crate.py   the workflow of the RO-Crate (Provenance Run Crate)
    in_toto.py          in-toto layout and links: what was approved is what was run
    dsse.py             the signed envelope of those
    bco.py              IEEE 2791-2020 BioCompute Object
    prov.py             W3C PROV-JSON
    files.py            all of them, as files of a bundle

Nothing is exported here: `crate` imports `steps`, and the formats import `crate`.
"""
