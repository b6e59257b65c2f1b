"""``wslgpu verify``: the hosts, their suites side by side, one record."""

from __future__ import annotations

import fnmatch
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from wslgpu.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, UsageError
from wslgpu.inventory import ResolvedHost, resolved_hosts
from wslgpu.report.record import Check, Host, Outcome, Record, now, with_required
from wslgpu.settings import PROJECT_ROOT, SITE_VARIABLE
from wslgpu.signals import Terminated, sigterm_raised
from wslgpu.verify.child import Child, Found, child_environment
from wslgpu.verify.connection import Connections, NotReached, connections

DEFAULT_SUITES = (
    *("wsl", "base", "containerd", "container_toolkit", "video_cdi", "cuda_images", "cuda_kernel"),
    *("mesa_dozen", "ffmpeg", "kubernetes", "vllm"),
)
SUITES = (*DEFAULT_SUITES, "after_reboot", "capabilities")
"""Two are asked for by name: ``after_reboot`` says what survived ``wsl --shutdown`` and runs after one;
``capabilities`` holds the node against the whole catalogue."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify, and where.

    :param limit: host names, patterns or groups
    :param suites: of :data:`SUITES`; empty: the default ones
    :param required: check ids or components that may not stay unknown
    :param environment: variables for inventory files that read them, such as WSLGPU_LAB
    """

    inventory: Path
    limit: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    site: Path | None = None
    environment: tuple[tuple[str, str], ...] = ()
    hosts_at_once: int = 4
    timeout_s: float = 900.0


def silent(_line: str) -> None:
    """A progress that says nothing."""


def verify(request: VerifyRequest, progress: Progress = silent) -> Record:
    """Run the suites on every host of the request.

    Ctrl-C and SIGTERM stop the children and give back what was found so far, marked interrupted.

    :param progress: called with one line per suite and host
    :raises UsageError: an unknown suite, a required check of none of them, a limit that matches nothing, an
        inventory that cannot be read
    """
    suites = _suites(request.suites)
    for name in request.required:
        if name.split(".", 1)[0] not in suites:
            raise UsageError(
                f"--require {name}: no suite of this run has it", next_step=f"Suites: {', '.join(suites)}."
            )
    environment = request.environment
    if request.site is not None:
        environment = (*environment, (SITE_VARIABLE, str(request.site.resolve())))
    hosts = limited(list(resolved_hosts(request.inventory, environment).values()), request.limit)
    run = _Run(request, suites, progress)
    started, clock = now(), time.monotonic()
    with (
        sigterm_raised(),
        connections(hosts) as connected,
        ThreadPoolExecutor(max_workers=request.hosts_at_once) as pool,
    ):
        pending = {host.name: pool.submit(run.host, host, connected) for host in hosts}
        try:
            for result in pending.values():
                result.result()
        except Terminated:
            run.interrupt(EXIT_TERMINATED)
        except KeyboardInterrupt:
            run.interrupt(EXIT_INTERRUPTED)
    done = tuple(run.done.get(host.name, Host(host.name, unknown="interrupted")) for host in hosts)
    return Record(done, started, time.monotonic() - clock, run.interrupted)


class _Run:
    """What the threads of one verification share."""

    def __init__(self, request: VerifyRequest, suites: Sequence[str], progress: Progress) -> None:
        self.request = request
        self.suites = suites
        self.progress = progress
        self.interrupted = 0
        self.done: dict[str, Host] = {}
        self._children: dict[str, Child] = {}

    def host(self, host: ResolvedHost, connected: Connections) -> None:
        if self.interrupted:
            return
        self.done[host.name] = self._host(host, connected)

    def interrupt(self, exit_code: int) -> None:
        """Stop what runs; hosts that had not begun stay unknown."""
        self.interrupted = exit_code
        for child in list(self._children.values()):
            child.stop()

    def _host(self, host: ResolvedHost, connected: Connections) -> Host:
        profile = str(host.data.get("profile", ""))
        reached = connected.reach(host)
        if isinstance(reached, NotReached):
            self.progress(f"{host.name}: {reached.reason}")
            return Host(host.name, unknown=reached.reason, retryable=reached.retryable, profile=profile)
        environment = child_environment(self.request.site, SITE_VARIABLE)
        child = Child(host.name, reached.needs_sudo, connected, self.suites, environment)
        self._children[host.name] = child
        teller = _Teller(host.name, self.progress)
        found = child.run(teller.take, self.request.timeout_s)
        teller.end()
        return self._judge(host, found, lab=reached.lab, profile=profile)

    def _judge(self, host: ResolvedHost, found: Found, *, lab: bool, profile: str) -> Host:
        problem = "interrupted" if self.interrupted else found.problem
        return Host(
            host.name,
            with_required(found.checks, self.request.required),
            unknown=problem,
            retryable=found.retryable,
            lab=lab,
            profile=profile,
            not_deployed=tuple(found.not_deployed),
        )


class _Teller:
    """Says a line when a suite is through."""

    def __init__(self, host: str, progress: Progress) -> None:
        self._host, self._progress = host, progress
        self._component = ""
        self._counts: Counter[Outcome] = Counter()

    def take(self, check: Check) -> None:
        if check.component != self._component:
            self.end()
            self._component = check.component
        self._counts[check.outcome] += 1

    def end(self) -> None:
        if self._component:
            words = {Outcome.PASS: "ok", Outcome.FAIL: "FAILED", Outcome.UNKNOWN: "unknown", Outcome.WAIVED: "waived"}
            said = ", ".join(f"{self._counts[key]} {word}" for key, word in words.items() if self._counts[key])
            self._progress(f"{self._host}: {self._component}: {said or 'nothing to check'}")
        self._component, self._counts = "", Counter()


def _suites(names: Sequence[str]) -> tuple[str, ...]:
    folder = PROJECT_ROOT / "tests" / "node"
    if not folder.is_dir():
        raise UsageError("the suites are not here", str(folder), "Clone the project, and call wslgpu in the clone.")
    for name in names:
        if name not in SUITES:
            raise UsageError(f"there is no suite {name!r}", next_step=f"Known: {', '.join(SUITES)}.")
    return tuple(name for name in SUITES if name in names) if names else DEFAULT_SUITES


def limited(hosts: Sequence[ResolvedHost], limit: Sequence[str]) -> list[ResolvedHost]:
    """The hosts that ``--limit`` names, by name, pattern or group; all when it names none.

    :raises UsageError: an inventory without hosts, or a limit that matches nothing
    """
    if not hosts:
        raise UsageError("the inventory names no host", next_step="Add one.")
    chosen: set[str] = set()
    for word in limit:
        matches = {host.name for host in hosts if fnmatch.fnmatchcase(host.name, word) or word in host.groups}
        if not matches:
            known = ", ".join(host.name for host in hosts)
            raise UsageError(f"--limit {word} matches no host", next_step=f"The inventory has: {known}.")
        chosen |= matches
    return [host for host in hosts if not limit or host.name in chosen]
