"""What tells one node from another: its name, machine-id, and the fingerprints of its ssh host keys."""

from __future__ import annotations

import binascii
import glob
import hashlib
import os
from typing import Any

from .files import read_text


def identity() -> dict[str, Any]:
    """The document's ``identity``."""
    keys: list[str] = []
    for path in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub"))[:16]:
        mark = fingerprint(read_text(path, 8192) or "")
        if mark:
            keys.append(mark)
    return {
        "hostname": os.uname().nodename,
        "machine_id": (read_text("/etc/machine-id", 256) or "").strip()[:64],
        "ssh_host_keys": keys,
    }


def fingerprint(public_key: str) -> str:
    """``SHA256:...`` of one line ``TYPE BASE64 COMMENT``, as ssh-keygen -l tells it; empty when it is none."""
    words = public_key.split()
    if len(words) < 2:
        return ""
    try:
        blob = binascii.a2b_base64(words[1])
    except (binascii.Error, ValueError):
        return ""
    digest = binascii.b2a_base64(hashlib.sha256(blob).digest(), newline=False).decode()
    return "SHA256:" + digest.rstrip("=") if blob else ""
