"""Run a command that the kernel kills when its starter ends: `python -m cli.leash STARTER_PID COMMAND …`.

A process of its own instead of `preexec_fn`, which may deadlock where the starter has threads.
"""

from __future__ import annotations

import os
import sys

from core.lifeline import die_with_parent


def main(starter: int, command: list[str]) -> None:
    """Become `command`, or end where the starter has ended already."""
    die_with_parent()
    if os.getppid() != starter:
        os._exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
