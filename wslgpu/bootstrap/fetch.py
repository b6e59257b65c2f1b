"""``fetch.py URL FILE``: get a large file, going on where an earlier call was cut off. Standard library only.

What comes is not to be trusted: the caller compares its hash. The proxy is the environment's (https_proxy).
"""

from __future__ import annotations

import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ATTEMPTS = 3
BLOCK_BYTES = 1 << 20
PAUSE_S = 2
REPORT_S = 10
TIMEOUT_S = 60


def fetch(url: str, file: Path) -> None:
    """Append to ``file`` what it lacks; a server that gives no ranges sends it from the beginning.

    :raises OSError, HTTPException: no answer, a refusal, or a connection that ended early
    """
    have = file.stat().st_size if file.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310  # http(s)
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            return  # nothing behind what is there: it is whole, or the hash will say that it is not
        raise
    with answer, file.open("ab" if answer.status == 206 else "wb") as out:
        size = out.tell() + int(answer.headers["Content-Length"] or 0)
        said = time.monotonic()
        while block := answer.read(BLOCK_BYTES):
            out.write(block)
            if time.monotonic() - said > REPORT_S:
                said = time.monotonic()
                print(f"{out.tell():,} of {size:,} bytes", flush=True)
        out.flush()
        os.fsync(out.fileno())
        if out.tell() < size:
            raise OSError(f"the connection ended after {out.tell():,} of {size:,} bytes")


def main(words: list[str]) -> int:
    url, file = words
    for attempt in range(1, ATTEMPTS + 1):
        try:
            fetch(url, Path(file))
        except (OSError, http.client.HTTPException) as error:
            print(f"attempt {attempt} of {ATTEMPTS}: {error}", file=sys.stderr, flush=True)
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                return 1
            time.sleep(PAUSE_S * attempt)
        else:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
