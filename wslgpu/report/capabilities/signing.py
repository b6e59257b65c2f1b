"""A report's signature, made and checked by the program ``minisign``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from wslgpu import __version__
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.report.capabilities.text import line

SUFFIX = ".minisig"
_DEADLINE_S = 600.0
"""Long enough for a person to type a password."""
_PUBLIC_KEY = re.compile(r"RW[A-Za-z0-9+/]{54}")


def sign_report(
    path: Path, secret_key_file: Path, *, catalogue_digest: str = "", tool_version: str = __version__
) -> Path:
    """Sign a file; the signature is written beside it, and its trusted comment names the tool and the catalogue.

    ``minisign`` itself asks for the key's password on the terminal, or reads it from standard input: it never stands
    on a command line or in the environment.

    :returns: the signature's path, ``<path>.minisig``
    :raises UsageError: no minisign here, no such file or key
    :raises WslgpuError: minisign refused, such as for a wrong password
    """
    program = _program()
    for place, what in ((path, "the report"), (secret_key_file, "the secret key")):
        if not place.is_file():
            raise UsageError(f"{what} is no file", str(place), "Name another one.")
    signature = path.with_name(path.name + SUFFIX)
    comment = f"wslgpu {line(tool_version, 60)}" + (
        f", catalogue {line(catalogue_digest, 80)}" if catalogue_digest else ""
    )
    arguments = ["-S", "-s", str(secret_key_file), "-m", str(path), "-x", str(signature), "-t", comment]
    done = _run([program, *arguments], stdin=None)
    if done.returncode != 0 or not signature.is_file():
        raise WslgpuError(
            f"minisign did not sign: {_said(done)}", str(path), "Check the key and its password.", ErrorClass.SAFETY
        )
    return signature


def verify_report(path: Path, public_key: str) -> str:
    """Check the signature beside a file.

    :param public_key: a file of ``minisign -G``'s, or the key itself (``RW...``)
    :returns: the trusted comment: what tool and which catalogue made the report
    :raises UsageError: no minisign here, no such file, no signature, no key
    :raises WslgpuError: the signature is not this file's or not this key's
    """
    program = _program()
    signature = path.with_name(path.name + SUFFIX)
    for place, what in ((path, "the report"), (signature, "its signature")):
        if not place.is_file():
            raise UsageError(f"{what} is no file", str(place), "Name another one.")
    if _PUBLIC_KEY.fullmatch(public_key):
        key = ["-P", public_key]
    elif Path(public_key).is_file():
        key = ["-p", public_key]
    else:
        raise UsageError(
            "the public key is neither a file nor a key", line(public_key, 100), "Give minisign.pub, or the key in it."
        )
    done = _run([program, "-V", "-Q", *key, "-m", str(path), "-x", str(signature)], stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise WslgpuError(
            f"the signature does not hold: {_said(done)}",
            str(path),
            "Do not trust this report; get it, its signature and the key again.",
            ErrorClass.INTEGRITY,
        )
    return line(done.stdout)


def _program() -> str:
    program = shutil.which("minisign")
    if program is None:
        raise UsageError("signatures need the program minisign", "", "Install it: apt-get install minisign.")
    return program


def _run(command: list[str], stdin: int | None) -> subprocess.CompletedProcess[str]:
    """Run minisign; where it may ask for a password, its question goes to the terminal."""
    asks = stdin is None and sys.stdin is not None and sys.stdin.isatty()
    try:
        return subprocess.run(
            command,
            stdin=stdin,
            stdout=None if asks else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WslgpuError("minisign did not end", "", "Run it by hand to see why.", ErrorClass.TIMEOUT, True) from error


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return line(done.stderr or done.stdout or f"exit {done.returncode}", 200)
