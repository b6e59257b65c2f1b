"""Reports signed with minisign: a signature file beside each report, checked with ``minisign -V``."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.report.plain import clean

SUFFIX = ".minisig"


def require_signer(key: Path, files: Sequence[Path]) -> None:
    """Refuse what could not be signed, before the work.

    :raises UsageError: no file to sign, no key, or no minisign on this machine
    """
    if not files:
        raise UsageError("there is no file to sign", "--sign", "Add --junit, --markdown, --html, --save or --keep.")
    if not key.is_file():
        raise UsageError("there is no such secret key", str(key), "Make one: minisign -G.")
    if shutil.which("minisign") is None:
        raise UsageError("minisign is not on this machine", "--sign", "Install the package minisign.")


def sign(files: Sequence[Path], key: Path, comment: str) -> list[Path]:
    """Sign each file; minisign asks for the key's password on the terminal where it has one.

    :param comment: what the signature vouches for besides the content: tool, catalogue, time
    :raises WslgpuError: minisign refused
    """
    signatures = []
    for file in files:
        command = ["minisign", "-S", "-s", str(key), "-t", clean(comment, 500), "-m", str(file)]
        try:
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=300)
        except subprocess.TimeoutExpired:
            raise WslgpuError("minisign did not end", str(file), "Sign it by hand.", ErrorClass.TIMEOUT) from None
        if done.returncode != 0:
            said = clean(done.stderr.decode("utf-8", "replace").strip(), 300)
            raise WslgpuError(f"minisign refused: {said}", str(file), "Look at the key and its password.")
        signatures.append(file.with_name(file.name + SUFFIX))
    return signatures
