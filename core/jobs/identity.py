"""What makes two jobs identical: all that their results follow from, as one digest."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import rfc8785

from core.jobs.specs import Reusable

NUMERICS = 1
"""The version of this code's arithmetic.

Raised by every change after which the same spec gives other figures: in initialisation, data order, augmentation, the
training loop, pruning, transformation or evaluation. From then on nothing that was computed before is used again:
neither finished jobs nor shared trainings. What only makes the same figures faster leaves it alone.
"""

SPEC_VERSION = 1
"""The version of what jobs and studies are asked in, and of what a running job saves.

Raised by every change after which an older version would refuse or misread a spec, or a training state: a new kind of
job, method, field or format. Jobs and studies carry the version of whoever made or last ran them, and nobody who is
older takes them up. Specs of every earlier version go on being read.
"""


def job_digest(spec: Reusable, given: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON (RFC 8785) of a completed spec and what the catalog gives it.

    `fresh` is a wish about how to answer, not about what: it does not count, nor does where the job is to run. Nor does
    `latency`: a job that was asked for it has no digest.
    """
    asked = spec.model_dump(mode="json", exclude={"fresh", "latency", "device", "memory_mib"})
    return sha256(rfc8785.dumps({"numerics": NUMERICS, "spec": asked, "given": given})).hexdigest()
