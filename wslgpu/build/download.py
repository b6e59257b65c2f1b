"""One file over HTTP into a partial file: resumed where it broke off, ended where it crawls, never taken for whole.

What came is compared with the pin by :mod:`wslgpu.build.fetch`; here only its size is bounded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import requests
from urllib3.exceptions import HTTPError, ProtocolError

from wslgpu.build.access import Access
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.registry import BUSY, connection_reason, retry_after

PIECE = 1 << 18


@dataclass(frozen=True)
class Limits:
    """How long a download may take.

    :param answer_timeout_s: without a byte, for the answer as for every later piece
    :param slow_bytes_per_s: less than this for ``slow_window_s`` ends the transfer; the same numbers as on nodes
    :param tries: of one address, the first included
    :param tries_unanswered: of an address that nothing answers at; there may be other origins
    :param wait_limit_s: greatest wait that a server may ask for with Retry-After
    """

    connect_timeout_s: float = 15
    answer_timeout_s: float = 30
    slow_bytes_per_s: float = 1000
    slow_window_s: float = 30
    tries: int = 4
    tries_unanswered: int = 2
    wait_limit_s: float = 120
    sleep: Callable[[float], None] = time.sleep


class BrokenOffError(Exception):
    """A transfer that ended early; what came is in the partial file. Worth another try.

    :param wait_s: what the server asks to wait, or None
    :param answered: somebody was there
    """

    def __init__(self, reason: str, wait_s: float | None = None, *, answered: bool = True) -> None:
        super().__init__(reason)
        self.wait_s, self.answered = wait_s, answered


class Rate:
    """Whether a transfer is too slow, looked at once for each window of time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.since, self.count = time.monotonic(), 0

    def add(self, count: int) -> None:
        """:raises BrokenOffError: less came than must"""
        self.count += count
        passed = time.monotonic() - self.since
        if passed < self.limits.slow_window_s:
            return
        if self.count < self.limits.slow_bytes_per_s * passed:
            raise BrokenOffError(f"only {self.count / passed:.0f} bytes a second for {passed:.0f} s")
        self.since, self.count = time.monotonic(), 0


def download(
    url: str,
    partial: Path,
    size_bytes: int,
    *,
    access: Access,
    limits: Limits,
    progress: Callable[[int], None],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Bring ``partial`` to its end, from where it is.

    :param size_bytes: what it may hold at most
    :param progress: called with the bytes that are there
    :param headers: of the request, such as a registry's token; they do not follow to another host
    :raises WslgpuError: the address does not have it (platform), cannot be trusted (integrity), or did not give it
        within the limits (network, retryable)
    """
    for attempt in range(1, limits.tries + 1):
        try:
            _transfer(url, partial, size_bytes, access, limits, progress, headers)
        except BrokenOffError as reason:
            wait = reason.wait_s if reason.wait_s is not None else retry_after("", attempt)
            tries = limits.tries if reason.answered else min(limits.tries, limits.tries_unanswered)
            if attempt >= tries or wait > limits.wait_limit_s:
                asked = f", and asks to wait {wait:.0f} s" if reason.wait_s is not None else ""
                raise WslgpuError(
                    f"{reason}{asked} (try {attempt} of {tries})",
                    url,
                    "Run again later; what came is kept.",
                    ErrorClass.NETWORK,
                    True,
                ) from reason
            limits.sleep(wait)
        else:
            return
    raise AssertionError("unreachable")


def _transfer(
    url: str,
    partial: Path,
    size_bytes: int,
    access: Access,
    limits: Limits,
    progress: Callable[[int], None],
    more: Mapping[str, str],
) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    headers = {**more, "Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        with requests.get(
            url,
            headers=headers,
            stream=True,
            timeout=(limits.connect_timeout_s, limits.answer_timeout_s),
            # named for each request: requests lets the environment win over a session's
            proxies=dict(access.proxies(url)),
            verify=access.bundle(),
        ) as answer:
            start, total = _begin(answer, have, url)
            if total is not None and total > size_bytes:
                raise too_long(url, total, size_bytes)
            with partial.open("r+b" if start else "wb") as handle:
                handle.seek(start)
                handle.truncate()
                got = start + _copy(answer, handle.write, start, size_bytes, url, limits, progress)
            if total is not None and got < total:
                raise BrokenOffError(f"broke off after {got:,} of {total:,} bytes")
    except requests.exceptions.SSLError as error:
        raise WslgpuError(
            f"the TLS connection cannot be trusted ({connection_reason(error)})",
            url,
            "Behind a proxy that opens TLS, name the company's CA as ca_file in site.yml.",
            ErrorClass.INTEGRITY,
        ) from error
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise WslgpuError("is no address that can be asked", url, "Mend the pin's urls.", ErrorClass.USAGE) from error
    except requests.exceptions.ConnectionError as error:
        raise BrokenOffError(f"cannot be reached: {connection_reason(error)}", answered=False) from error
    except (requests.exceptions.RequestException, HTTPError) as error:
        raise BrokenOffError(f"the connection broke: {connection_reason(error)}") from error


def _begin(answer: requests.Response, have: int, url: str) -> tuple[int, int | None]:
    """Where what comes belongs, and how long the whole is, where the server says so."""
    if answer.status_code in BUSY:
        asked = answer.headers.get("Retry-After", "")
        raise BrokenOffError(f"answered {answer.status_code}", retry_after(asked, 1) if asked else None)
    if answer.status_code == 416:  # there is nothing after what we have: whether that is the file, its hash will say
        return have, have
    length = answer.headers.get("Content-Length", "")
    if answer.status_code == 200:
        return 0, int(length) if length.isdecimal() else None
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if answer.status_code == 206 and match and int(match[1]) == have:
        return have, int(match[2]) if match[2].isdecimal() else None
    raise WslgpuError(f"answered {answer.status_code}", url, "Check the address.", ErrorClass.PLATFORM)


def _copy(
    answer: requests.Response,
    write: Callable[[bytes], int],
    start: int,
    size_bytes: int,
    url: str,
    limits: Limits,
    progress: Callable[[int], None],
) -> int:
    if answer.status_code == 416:
        return 0
    rate, got = Rate(limits), 0
    # read1 gives what one call to the system gives; read would wait for a whole piece, and a server that sends a byte
    # a second would never be found too slow
    while piece := _piece(answer, start + got):
        got += len(piece)
        if start + got > size_bytes:
            raise too_long(url, start + got, size_bytes)
        write(piece)
        rate.add(len(piece))
        progress(start + got)
    return got


def _piece(answer: requests.Response, have: int) -> bytes:
    try:
        piece: bytes = answer.raw.read1(PIECE, decode_content=False)
    except ProtocolError as error:
        raise BrokenOffError(f"broke off after {have:,} bytes") from error
    return piece


def too_long(where: str, have: int, size_bytes: int) -> WslgpuError:
    """The error for more bytes than the pin says."""
    return WslgpuError(
        f"has at least {have:,} bytes, and the pin says {size_bytes:,}",
        where,
        "Another file is there, or a login page: look at the address.",
        ErrorClass.INTEGRITY,
    )
