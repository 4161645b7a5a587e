"""Fills the cache of rocrate-validator, so that it works offline: run by the Python of the validators' environment.

RO-Crate's JSON-LD context is in the package `rocrate` that stands in the lock. That of Workflow Run RO-Crate is a list
of names in one name space, which is made here.

    python prime_cache.py CACHE

Source: rocrate-validator 0.13 `utils/http.py`, requests-cache 1.3.
"""

from __future__ import annotations

import importlib.resources
import io
import json
import sys

from requests import Request, Response  # type: ignore[import-untyped, unused-ignore]
from requests_cache import CachedSession  # type: ignore[import-not-found, unused-ignore]
from urllib3 import HTTPResponse

_TERMS = "https://w3id.org/ro/terms/workflow-run"
_NAMES = (
    "ParameterConnection ContainerImage DockerImage SIFImage connection sourceParameter targetParameter md5 sha1 "
    "sha256 sha512 environment registry tag containerImage resourceUsage"
)


def main(cache: str) -> None:
    """Answer the two addresses that a crate of ours names from now on."""
    context = importlib.resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    assert json.loads(context)["@id"] == "https://w3id.org/ro/crate/1.1/context"
    terms = {"@context": {name: f"{_TERMS}#{name}" for name in _NAMES.split()}}
    session = CachedSession(cache_name=cache, backend="sqlite", expire_after=-1)
    for url, body in (
        ("https://w3id.org/ro/crate/1.1/context", context),
        (f"{_TERMS}/context", json.dumps(terms).encode()),
    ):
        response = Response()
        response.status_code, response.reason, response.encoding, response.url = 200, "OK", "utf-8", url
        response.request = session.prepare_request(Request("GET", url))
        response.headers["Content-Type"] = "application/ld+json"
        response._content = body
        response.raw = HTTPResponse(
            body=io.BytesIO(body), headers=response.headers, status=200, preload_content=False, request_url=url
        )
        session.cache.save_response(response)


if __name__ == "__main__":
    main(sys.argv[1])
