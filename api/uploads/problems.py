"""What an upload to the object store is refused for."""

from __future__ import annotations

from api.problems import ProblemKind

NOT_OFFERED = ProblemKind(
    "no-direct-uploads",
    409,
    "Uploads go through the API here",
    "This installation hands out no addresses of an object store: send the file to POST /tickets.",
)
NOTHING_SENT = ProblemKind(
    "nothing-was-sent",
    409,
    "The file is not in the object store",
    "Nothing, or not every part, was sent to the addresses of this upload: send it, then complete it again.",
)
DIFFERS = ProblemKind(
    "upload-differs",
    422,
    "Another file was sent than was announced",
    "1073741824 bytes were announced, and 1024 were sent. They are removed: begin again.",
)
