"""The program as one text for ``sh``, and the way back from what it printed to a document.

The text holds everything: the modules of :mod:`wslgpu.probe.node`, compressed, imported from memory by a small
finder, and a part in POSIX shell for a node without Python. Nothing is written to the node's disk.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import secrets
import textwrap
import zlib
from pathlib import Path

from wslgpu.probe.document import (
    SIZE_LIMIT_BYTES,
    DocumentError,
    Level,
    Observation,
    Observations,
    Status,
    View,
    parse,
)
from wslgpu.probe.registry import observation_kinds
from wslgpu.report.plain import clean

NODE_FOLDER = Path(__file__).with_name("node")
PACKAGE = "wslgpu_probe"
TIMEOUT_S = {Level.QUICK: 20.0, Level.STANDARD: 180.0, Level.FULL: 420.0}
# a login's banner and ~/.bashrc come before the document
NOISE_LIMIT_BYTES = 1 << 20
_BEGIN = re.compile(rb"^=== wslgpu ([0-9a-f]{32}) begin ===\r?$", re.MULTILINE)
_issued: set[str] = set()

_LOADER = """
import sys

class _Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in MODULES:
            return None
        # ModuleSpec, without importing importlib.machinery for it
        return type(sys.__spec__)(name, cls, is_package=name == PACKAGE)

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        name = module.__spec__.name
        exec(compile(MODULES[name], "<" + name + ">", "exec", dont_inherit=True, optimize=2), module.__dict__)

sys.meta_path.insert(0, _Finder)
level, view, nonce, program, timeout_s = HEAD.split()
main = __import__(PACKAGE + ".main", fromlist=["main"]).main
sys.exit(main({"level": level, "view": view, "nonce": nonce, "program": program, "timeout_s": timeout_s, "ids": IDS}))
"""

# no single quotes in it: it stands between them
_START = """
import sys
if sys.version_info < (3, 8):
    sys.exit(97)
try:
    import binascii, zlib
except ImportError:
    sys.exit(97)
HEAD = sys.stdin.buffer.readline().decode()
exec(compile(zlib.decompress(binascii.a2b_base64(sys.stdin.buffer.read())), "<wslgpu>", "exec"))
"""

# In a function, so that sh has read all of it before it does anything, and a text that was cut off does nothing.
_SCRIPT = """\
wslgpu_probe() {{
LC_ALL=C; LANGUAGE=C; export LC_ALL LANGUAGE
wslgpu_head='{head}'
wslgpu_blob='{blob}'
for wslgpu_python in /usr/bin/python3 "$(command -v python3 2>/dev/null)" /usr/local/bin/python3; do
  case $wslgpu_python in /mnt/*) continue ;; esac
  [ -x "$wslgpu_python" ] || continue
  printf '%s\\n%s\\n' "$wslgpu_head" "$wslgpu_blob" | "$wslgpu_python" -I -S -B -c '{start}' && return 0
done
wslgpu_ids='{ids}'
{fallback}
}}
wslgpu_probe
"""


def payload(level: Level, view: View = View.NODE) -> bytes:
    """What is sent on standard input of ``sh``; each one has marks of its own around its answer.

    :raises DataError: the table of observations is wrong
    """
    blob, digest = _bundle()
    nonce = secrets.token_hex(16)
    _issued.add(nonce)
    head = f"{level.value} {view.value} {nonce} {digest} {TIMEOUT_S[level]:g}"
    ids = " ".join(f"{kind.id}:{kind.level.value}" for kind in observation_kinds().values())
    text = _SCRIPT.format(head=head, blob=blob, start=_START.strip(), ids=ids, fallback=_fallback())
    return text.encode("ascii")


@functools.cache
def _bundle() -> tuple[str, str]:
    """The modules as base64, and the program's sha256: of all that runs on the node but its arguments."""
    modules = {PACKAGE: ""}
    for path in sorted(NODE_FOLDER.glob("*.py")):
        name = PACKAGE if path.stem == "__init__" else f"{PACKAGE}.{path.stem}"
        modules[name] = path.read_text(encoding="utf-8")
    ids = {kind.id: kind.level.value for kind in observation_kinds().values()}
    source = f"PACKAGE = {PACKAGE!r}\nMODULES = {modules!r}\nIDS = {ids!r}\n{_LOADER}"
    digest = hashlib.sha256((source + _START + _SCRIPT + _fallback()).encode()).hexdigest()
    coded = base64.b64encode(zlib.compress(source.encode(), 9)).decode()
    return "\n".join(textwrap.wrap(coded, 4096)), digest


@functools.cache
def _fallback() -> str:
    """The part for a node without Python, without its comments."""
    lines = (NODE_FOLDER / "fallback.sh").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def answer(stdout: bytes, where: str) -> Observations:
    """Find the document in what the program printed, and read it.

    What stands before and after its marks is left out. The marks are known only to the payload, so nothing that
    printed before it started can imitate them. A bare document, as a saved file holds it, is read too.

    :param where: the node, for the error
    :raises DocumentError: no document, one that is cut off, too long, or wrong in any way
    """
    document = parse(_between_marks(stdout, where), where)
    kinds = observation_kinds()
    found: dict[str, Observation] = {}
    for key, one in document.observations.items():
        command = kinds[key].command if key in kinds and not one.command and one.status is not Status.UNKNOWN else ""
        found[key] = one.model_copy(update={"command": command}) if command else one
    return document.model_copy(update={"observations": found})


def _between_marks(stdout: bytes, where: str) -> bytes:
    if len(stdout) > SIZE_LIMIT_BYTES + NOISE_LIMIT_BYTES:
        raise DocumentError(f"the answer is {len(stdout)} bytes long, more than it may be", where)
    for match in _BEGIN.finditer(stdout):
        nonce = match.group(1).decode()
        if nonce not in _issued:
            continue
        end = stdout.find(f"\n=== wslgpu {nonce} end ===".encode(), match.end())
        if end < 0:
            raise DocumentError("the answer is cut off", where)
        return stdout[match.end() : end]
    if stdout.lstrip()[:1] == b"{":
        return stdout
    said = clean(stdout[:400].decode("utf-8", "replace").strip(), 160)
    raise DocumentError(f"the answer holds no document; it begins with {said!r}" if said else "no answer", where)
