"""Write the schema of a card anew: `python -P -m counterproof.tools.synth.evaluation`."""

from __future__ import annotations

import json

from counterproof.tools.synth.evaluation.card import SCHEMA_FILE, json_schema

SCHEMA_FILE.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")
