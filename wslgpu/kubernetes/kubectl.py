"""kubectl: on this machine with its kubeconfig, or on the node with the node's own credentials.

Either way one script goes to a ``sh`` over a channel of :mod:`wslgpu.probe.channels`: several questions are one round
trip, objects and whatever is secret travel on standard input, and answers are bounded in size and time.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import secrets
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.kubernetes.kubectl_errors import KubectlError, of_answer
from wslgpu.probe.channels import LOCAL, Target
from wslgpu.probe.failures import client_missing, deadline_passed, failure
from wslgpu.probe.gather import OUTPUT_LIMIT_BYTES, TooMuchError, run_client
from wslgpu.signals import sigterm_raised

REQUEST_TIMEOUT_S = 20
SESSION_TIMEOUT_S = 60.0
_SCRIPT = Path(__file__).parent / "scripts" / "kubectl.sh"


@dataclass(frozen=True)
class Request:
    """One call of kubectl: its words, and what it reads on standard input (UTF-8 text)."""

    words: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True)
class Answer:
    """The end of one call: exit status and what it wrote.

    :param where: the machine and the words, for errors
    """

    status: int
    out: str
    errors: str
    where: str = "kubectl"

    @property
    def ok(self) -> bool:
        return self.status == 0

    def error(self) -> KubectlError:
        """What its bad end means."""
        return of_answer(self.status, self.errors, self.where)

    def text(self) -> str:
        """What it printed.

        :raises KubectlError: it ended badly; the subclasses tell missing, forbidden, unreachable and others apart
        """
        if not self.ok:
            raise self.error()
        return self.out

    def document(self) -> dict[str, Any]:
        """The JSON object that it printed; an empty one when it printed nothing (``--ignore-not-found``).

        :raises KubectlError: it ended badly, or printed something else
        """
        text = self.text()
        try:
            value = json.loads(text) if text.strip() else {}
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise KubectlError("kubectl's answer is no JSON object", self.where, "Run it again.", ErrorClass.INTEGRITY)
        return value

    def items(self) -> list[dict[str, Any]]:
        """The objects of a List, or the one object.

        :raises KubectlError: as :meth:`document`
        """
        value = self.document()
        rows = value.get("items", [value] if value else [])
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


@dataclass(frozen=True)
class Kubectl:
    """Where kubectl runs and whom it asks.

    :param kubeconfig: of that machine; empty: kubectl's own choice, else the file that kubeadm or k3s left there
    :param context: of the kubeconfig; empty: its current one
    """

    target: Target = LOCAL
    kubeconfig: str = ""
    context: str = ""

    def ask(
        self, *requests: Request | Sequence[str], timeout_s: float = SESSION_TIMEOUT_S, request_timeout_s: int = 0
    ) -> list[Answer]:
        """Make all calls, one after the other, in one session; an answer for each, whatever its end.

        :param request_timeout_s: of each call to the API server; :data:`REQUEST_TIMEOUT_S` for 0
        :raises WslgpuError: the machine cannot be reached, or the session did not end in time
        """
        asked = [one if isinstance(one, Request) else Request(tuple(one)) for one in requests]
        nonce = secrets.token_hex(16)
        script = self.prelude(nonce, request_timeout_s or REQUEST_TIMEOUT_S) + "".join(call(one) for one in asked)
        output = session(self.target, script, timeout_s)
        found = answers(output, nonce, [self._where(one) for one in asked])
        if len(found) != len(asked):
            raise KubectlError(
                f"{len(asked)} questions were asked and {len(found)} answered",
                self.target.name,
                "Run it again; look at the node's load when it stays so.",
                retryable=True,
            )
        return found

    def run(self, *words: str, stdin: str = "", timeout_s: float = SESSION_TIMEOUT_S) -> Answer:
        """One call; see :meth:`ask`."""
        return self.ask(Request(words, stdin), timeout_s=timeout_s)[0]

    def prelude(self, nonce: str, request_timeout_s: int = REQUEST_TIMEOUT_S) -> str:
        """The beginning of a session's script: after it ``wslgpu_request WORDS`` is one call."""
        values = {
            "wslgpu_nonce": nonce,
            "wslgpu_kubeconfig": self.kubeconfig,
            "wslgpu_context": self.context,
            "wslgpu_request_timeout": str(request_timeout_s),
        }
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()) + script_text(_SCRIPT)

    def _where(self, request: Request) -> str:
        return f"kubectl on {self.target.name}: {shlex.join(request.words)[:200]}"


def call(request: Request) -> str:
    """The script's lines for one call; its input stands in a here-document, whose end nobody can guess."""
    line = f"wslgpu_request {shlex.join(request.words)}"
    if not request.stdin:
        return f"{line} </dev/null\n"
    mark = f"WSLGPU_{secrets.token_hex(16)}"
    text = request.stdin if request.stdin.endswith("\n") else request.stdin + "\n"
    return f"{line} <<'{mark}'\n{text}{mark}\n"


@functools.cache
def script_text(path: Path) -> str:
    """A script of ours without comments and blank lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if line.strip() and not line.lstrip().startswith("#"))


def session(target: Target, script: str, timeout_s: float) -> bytes:
    """Run a script in one session; what it printed, within :data:`OUTPUT_LIMIT_BYTES`.

    The script stands in a function, so that one that was cut off does nothing. Ctrl-C and SIGTERM end the client.

    :raises WslgpuError: as the channel's failures say
    """
    whole = f"wslgpu_session() {{\n{script}\n}}\nwslgpu_session\n"
    with sigterm_raised():
        return asyncio.run(_session(target, whole, timeout_s))


async def _session(target: Target, script: str, timeout_s: float) -> bytes:
    try:
        status, output, errors = await asyncio.wait_for(run_client(target.argv(), script.encode()), timeout_s)
    except asyncio.TimeoutError:
        raise deadline_passed(target, timeout_s) from None
    except FileNotFoundError:
        raise client_missing(target) from None
    except OSError as error:
        raise WslgpuError(f"{target.client} cannot be started: {error.strerror}", target.name) from None
    except TooMuchError:
        raise KubectlError(
            f"the answer is more than {OUTPUT_LIMIT_BYTES >> 20} MiB long, and was cut off",
            target.name,
            "Ask for less: one namespace, or one workload.",
        ) from None
    if status != 0 and b"=== wslgpu-kubectl " not in output:
        raise failure(target, status, errors.decode("utf-8", "replace"))
    return output


def answers(output: bytes, nonce: str, places: Sequence[str]) -> list[Answer]:
    """The framed answers in what a session printed, in order, at most as many as ``places``."""
    return [
        Answer(answer.status, answer.out, answer.errors, place)
        for place, (_, answer) in zip(places, frames(output, nonce), strict=False)
    ]


def frames(output: bytes, nonce: str) -> Iterator[tuple[str, Answer]]:
    """Label and content of each frame in what a session printed; what stands around the frames is left out."""
    head = re.compile(
        rb"^=== wslgpu-kubectl " + nonce.encode() + rb" ([a-z0-9-]+) (\d{1,9}) (\d{1,9}) (\d{1,9}) ===\n", re.MULTILINE
    )
    position = 0
    while match := head.search(output, position):
        status, out_size, errors_size = (int(group) for group in match.groups()[1:])
        middle, position = match.end() + out_size, match.end() + out_size + errors_size
        if position > len(output):
            return
        out, errors = output[match.end() : middle], output[middle:position]
        yield (
            match.group(1).decode(),
            Answer(status, out.decode("utf-8", "replace"), errors.decode("utf-8", "replace")),
        )
