"""A body in YAML: what is accepted, JSON can carry without a change."""

from __future__ import annotations

import json

from core.studies import yaml
from core.studies.yaml import BadYaml

REFUSED = (BadYaml,)


def seeds() -> list[bytes]:
    """A study, and every kind of scalar."""
    study = b"study: rivals\ndatasets: [digits]\nseeds:\n- 0\n- 1\nrecipe:\n  length: 20ep\n  lr: 1e-1\n"
    scalars = (
        b"# a comment\n---\na: 'it''s'\n\"b\\u00e9\": |\n  block\n  text\n"
        b"c: >-\n  folded\nd: ~\ne: [true, -0.5, .5, {}]\n"
    )
    return [study, scalars, b'{"as": ["json", 1, null]}']


def read(data: bytes) -> None:
    """Load, and compare with what JSON makes of it."""
    found = yaml.loads(data)
    assert json.loads(json.dumps(found, allow_nan=False)) == found, "no JSON value"
