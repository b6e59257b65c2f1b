"""``python -m wslgpu.image.reaper NAME``: takes a throw-away machine away when its builder dies, however it dies.

The builder holds the other end of standard input. It writes one byte when it has taken the machine away itself; an end
without that byte is the builder's own.
"""

from __future__ import annotations

import sys


def main() -> None:
    if sys.stdin.buffer.read(1):
        return
    from wslgpu.image.machine import take_away

    take_away(sys.argv[1])


if __name__ == "__main__":
    main()
