import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.catalog.paging import Cursor


class TestCursor:
    @given(
        st.floats(allow_nan=False, allow_infinity=False),
        st.from_regex("[0-9a-f]{32}|[0-9a-f]{64}", fullmatch=True),
    )
    def test_round_trip(self, created_at: float, identity: str) -> None:
        cursor = Cursor(created_at, identity)
        assert Cursor.decode(cursor.encode()) == cursor

    @given(st.text())
    def test_any_other_text_is_refused(self, token: str) -> None:
        try:
            cursor = Cursor.decode(token)
        except ValueError:
            return
        assert Cursor.decode(cursor.encode()) == cursor

    @pytest.mark.parametrize("content", [[1.0], ["x", "y"], [1.0, 2], {"a": 1}, [float("inf"), "x"], None])
    def test_another_shape_is_refused(self, content: object) -> None:
        token = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
        with pytest.raises(ValueError, match="not a cursor"):
            Cursor.decode(token)
