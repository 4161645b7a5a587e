"""The synthetic twins: what made them, what keeps persons out of them, and how each column was made."""

from __future__ import annotations

from counterproof.provenance.page.documents import table
from counterproof.provenance.page.overview import event_links
from counterproof.provenance.transparency.markup import Html, blob_link, el, join
from counterproof.provenance.transparency.story import Story
from counterproof.provenance.twins import guarantee, twin_rows


def twins(story: Story) -> Html:
    """Return each twin, its columns folded."""
    made = [(event, row) for event in story.of_type("intake.finished") for row in twin_rows(event)]
    if not made:
        return el("p", "No twin was made, or the record does not say how.", cls="soft")
    rows: list[list[Html | str | int]] = [
        [
            row["file"],
            f"{row['engine']} (version {row['version']})",
            guarantee(row),
            row["seed"],
            blob_link(row["sha256"], there=story.bodies.has(row["sha256"])),
            join(event_links([event.seq])),
        ]
        for event, row in made
    ]
    return join(
        table(["twin of", "engine", "what keeps persons out", "seed", "sha256", "events"], rows),
        [
            el(
                "details",
                el("summary", f"How the columns of {row['file']} were made"),
                table(["how", "columns"], [[part["how"], ", ".join(part["columns"])] for part in row["made"]]),
            )
            for _, row in made
        ],
    )
