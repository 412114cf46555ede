"""Ends process groups that outlive the supervisor, even one that was killed outright.

It reads `+group` and `-group` lines from its standard input, which only the supervisor holds. When that closes, the
supervisor is gone: every group still on the list is asked to end and, five seconds later, made to. It runs as a bare
script with no site packages, to stay small, and in a session of its own, so that Ctrl-C passes it by.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def send(group: int, number: int) -> bool:
    """Signals every process of `group`; False when none is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so for a group whose members are all zombies
        return False
    return True


def main() -> None:
    groups: list[int] = []
    for line in sys.stdin:
        if line.startswith("+"):
            groups.append(int(line[1:]))
        else:
            groups.remove(int(line[1:]))
    for group in groups:
        send(group, signal.SIGTERM)
    end = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < end and any(send(group, 0) for group in groups):
        time.sleep(0.1)
    for group in groups:
        send(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
