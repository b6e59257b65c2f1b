"""nvidia-smi, by its absolute path on WSL: services and root do not have it on PATH."""

from __future__ import annotations

from .base import CommandError, NotSeenError, Probe
from .files import find_program
from .process import Done, Running

WSL_SMI = "/usr/lib/wsl/lib/nvidia-smi"
TIMEOUT_S = 8.0
_LIMIT = 256 << 10
_GPUS_LIMIT = 64


def begin(probe: Probe) -> None:
    """Start it, first of all, to run beside other things: it asks the driver, which may take its time."""
    program = probe.once(
        "smi path", lambda: find_program("nvidia-smi", "/usr/lib/wsl/lib") or find_program("nvidia-smi")
    )
    if program is not None:
        probe.once("smi table", lambda: probe.start([program], timeout_s=TIMEOUT_S, limit=_LIMIT))
        probe.once("smi query", lambda: probe.start([program, "-q"], timeout_s=TIMEOUT_S, limit=_LIMIT))


def observe(probe: Probe) -> None:
    begin(probe)
    path = probe.kept("smi path")
    if path is None:
        for observation_id in ("smi.run", "smi.driver_model"):
            probe.unknown(observation_id, "there is no nvidia-smi")
        return
    probe.look("smi.run", lambda: _run(probe, path), command=path)
    probe.look("smi.driver_model", lambda: _models(probe))


def _done(probe: Probe, which: str) -> Done:
    """Its end, where it ended by itself; a status other than 0 is something to tell.

    :raises CommandError: it hung, crashed or wrote without end
    """
    running: Running = probe.kept(which)
    done = probe.wait(running)
    if done.hang or done.cut or done.exit < 0 or done.exit in (126, 127):
        raise CommandError(done, "nvidia-smi")
    return done


def _run(probe: Probe, path: str) -> dict[str, object]:
    done = _done(probe, "smi table")
    return {"path": path, "exit": done.exit, **banner(done.out)}


def banner(text: str) -> dict[str, str]:
    """``NVIDIA-SMI 580.95   Driver Version: 581.80   CUDA Version: 13.0``; empty where it is not said."""
    found = {"smi_version": "", "driver_version": "", "cuda_version": ""}
    for line in text.splitlines()[:40]:
        words = line.replace("|", " ").split()
        if "NVIDIA-SMI" not in words or "Version:" not in words:
            continue
        found["smi_version"] = _after(words, ["NVIDIA-SMI"])
        found["driver_version"] = _after(words, ["Driver", "Version:"]) or _after(words, ["KMD", "Version:"])
        found["cuda_version"] = _after(words, ["CUDA", "Version:"]) or _after(words, ["CUDA", "UMD", "Version:"])
        break
    return found


def _after(words: list[str], mark: list[str]) -> str:
    """The word after these, where it looks like a version."""
    for place in range(len(words) - len(mark)):
        if words[place : place + len(mark)] == mark:
            word = words[place + len(mark)]
            return word if len(word) <= 40 and word.replace(".", "").isdigit() else ""
    return ""


def _models(probe: Probe) -> list[str]:
    done = _done(probe, "smi query")
    models = driver_models(done.out)
    if done.exit != 0 and not models:
        raise NotSeenError(f"nvidia-smi -q ended with status {done.exit}")
    return models


def driver_models(text: str) -> list[str]:
    """``Current`` below ``Driver Model`` of each GPU in `nvidia-smi -q`, in the order of the GPUs.

    Anything but the four words that NVIDIA has for it is left out: on a node everything can print anything.
    """
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        key, sign, value = (part.strip() for part in line.partition(":"))
        if key == "Driver Model" and not value:
            inside = True
        elif inside and key == "Current" and sign:
            inside = False
            if value in ("WDDM", "MCDM", "TCC", "N/A"):
                found.append(value)
    return found[:_GPUS_LIMIT]
