import hashlib
import json
import re
from typing import Any

import pytest

from core.jobs.identity import NUMERICS, job_digest
from core.jobs.specs import TrainSpec

SPEC = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")


class TestDigest:
    def test_it_is_that_of_the_canonical_json(self) -> None:
        asked = SPEC.model_dump(mode="json")
        for place_or_wish in ("fresh", "device", "memory_mib"):
            del asked[place_or_wish]
        whole = {"numerics": NUMERICS, "spec": asked, "given": {"origins": []}}
        # Sorted keys and no spaces are all of RFC 8785 for a spec whose numbers are plain; 0.0 is written 0.
        text = re.sub(r"0\.0(?=[,}])", "0", json.dumps(whole, sort_keys=True, separators=(",", ":")))
        assert job_digest(SPEC, {"origins": []}) == hashlib.sha256(text.encode()).hexdigest()

    def test_fresh_does_not_count(self) -> None:
        assert job_digest(SPEC.model_copy(update={"fresh": True}), {}) == job_digest(SPEC, {})

    @pytest.mark.parametrize("change", [{"seeds": [0]}, {"exact": True}, {"dataset": "mnist"}])
    def test_everything_else_counts(self, change: dict[str, Any]) -> None:
        assert job_digest(SPEC.model_copy(update=change), {}) != job_digest(SPEC, {})
        assert job_digest(SPEC, {"origins": [["digits", 0, 1]]}) != job_digest(SPEC, {})
