from __future__ import annotations

import re
from pathlib import Path

from core.settings import Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


class TestDocument:
    def test_lists_every_setting_with_its_default_and_its_description(self) -> None:
        listed = re.findall(r"^\| `ELASTICKET_(\w+)` \| (.*?) ?\| (.*) \|$", DOCUMENT, re.MULTILINE)
        known = {"slots": "one per core"}
        expected = [
            (
                name.upper(),
                known.get(name, f"`{field.default}`" if field.default not in (None, "") else ""),
                field.description or "port the API listens on",
            )
            for name, field in Settings.model_fields.items()
        ]
        assert listed == expected
