"""The API keys of a project, and what was done with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from api.client.models.keys import Audit, Key, NewKey
from api.client.models.queries import ListKeysQuery, ReadAuditLogQuery
from api.client.models.requests import KeyRequest
from api.client.transport import Transport


class Keys(Transport):
    """Routes that need a key of scope admin."""

    def make_key(self, **key: Unpack[KeyRequest]) -> NewKey:
        """Make a key; the answer is the only place where it is shown."""
        return self.post(NewKey, "/keys", key)

    def keys(self, **asked: Unpack[ListKeysQuery]) -> Iterator[Key]:
        """All keys of the project, newest first."""
        return self.pages(Key, "/keys", asked)

    def revoke_key(self, key: str) -> Key:
        """Have a key let nobody in any more."""
        return self.parsed(Key, self.send("DELETE", f"/keys/{key}"))

    def audit(self, **asked: Unpack[ReadAuditLogQuery]) -> Iterator[Audit]:
        """What was changed in the project, by whom, and which of its keys were refused, newest first."""
        return self.pages(Audit, "/audit", asked)
