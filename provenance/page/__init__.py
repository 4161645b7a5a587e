"""The record page and the crate's preview: what a bundle shows to people.

make_page(events, blobs, spans=spans)    record.html
make_preview(events, sizes)              ro-crate-preview.html
"""

from counterproof.provenance.page.overview import CheckedStep
from counterproof.provenance.page.preview import make_preview
from counterproof.provenance.page.record_page import make_page

__all__ = ["CheckedStep", "make_page", "make_preview"]
