"""How much an archive may hold, counted member by member."""

from __future__ import annotations

import re

from core.interchange.failure import Reason, Unreadable
from core.tickets.failure import quoted

MOST_MEMBERS = 20_000
LONGEST_NAME = 512


class Budget:
    """Counts the members of one archive and the bytes that they announce."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit
        self.members = 0

    def member(self, name: str) -> str:
        """One more member: its name without a leading `./`, if it is a plain relative path."""
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise Unreadable(Reason.TOO_MANY_MEMBERS, "archive", f"at most {MOST_MEMBERS} members")
        bare = name.removeprefix("./").rstrip("/")
        parts = bare.split("/")
        if bare in ("", ".") and name.startswith("."):
            return "."
        if (
            len(name) > LONGEST_NAME
            or re.search(r"[\\\0-\x1f\x7f]|^[A-Za-z]:", name)
            or {"", ".", ".."} & set(parts)
        ):
            raise Unreadable(
                Reason.MEMBER_NAME,
                quoted(name),
                f"relative paths of at most {LONGEST_NAME} characters, without ..",
            )
        return bare

    def take(self, size: int, name: str) -> None:
        """Charge a member's size."""
        self.left -= size
        if self.left < 0:
            raise too_large(name, self.limit)


def too_large(where: str, limit: int) -> Unreadable:
    """More bytes than were allowed."""
    return Unreadable(Reason.TOO_LARGE, quoted(where), f"{limit} bytes in all, unpacked")
