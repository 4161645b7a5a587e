"""The programs that a code checkpoint's subject shows: those of the model, and the check program beside them.

What is shown must be what an approval lets run: one order for each program, of its bytes and its language.
"""

from __future__ import annotations

from typing import Any

from counterproof.provenance.digests import sha256_bytes


def shown_programs(subject: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every program that a reviewer was shown, each with `role` and `code`."""
    return [*subject["programs"], *subject.get("checkers", [])]


def fault_in_programs(subject: dict[str, Any]) -> str:
    """Return in what the programs that are shown are not those that an approval lets run; "" where they are."""
    programs, orders = shown_programs(subject), {order["role"]: order for order in subject["orders"]}
    if sorted(program["role"] for program in programs) != sorted(order["role"] for order in subject["orders"]):
        return "has not one order for each program that it shows"
    for program in programs:
        order, digest = orders[program["role"]], sha256_bytes(program["code"].encode())
        if (digest, digest, program["language"]) != (program["sha256"], order["program"], order["language"]):
            return f"shows another {program['role']} program than it has run"
        environment = subject["environments"].get(program["role"], {"digest": order["environment"]})
        if environment["digest"] != order["environment"]:
            return f"shows another environment of the {program['role']} program than it runs in"
    if subject["editable"] != {program["role"]: program["code"] for program in subject["programs"]}:
        return "shows other programs than an edit would begin from"
    return ""
