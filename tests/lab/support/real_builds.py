"""The real recipes, with the sources that the archive has at this moment, built once per session.

Archives drop superseded versions, so a pin may name a file that is no longer to be had. Then the youngest file of the
same package stands in for it, in a site file: what is tested is the recipe, not one version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wslgpu.build.distribution import find
from wslgpu.build.pins import SourcePin
from wslgpu.build.places import cache_dir
from wslgpu.build.record import ArtifactRecord
from wslgpu.settings import PROJECT_ROOT, load
from wslgpu.store.folder import Store

MESA = "mesa-dozen-25.0.7"
REDUCED = "ffmpeg-7.1.5-reduced"
FULL = "ffmpeg-7.1.5"
BUILDS = (MESA, REDUCED, FULL)


@dataclass(frozen=True)
class RealBuilds:
    """A site file with what can be had, and stores.

    :param site: says as well that nodes get the reduced FFmpeg
    :param store: of this session, so that what is in it was really compiled in this session
    """

    site: Path
    store: Path

    @property
    def environment(self) -> dict[str, str]:
        """For commands that read the session's store."""
        return {**os.environ, "WSLGPU_STORE_DIR": str(self.store)}

    def build(self, name: str, *options: str, store: Path | None = None) -> subprocess.CompletedProcess[str]:
        """``wslgpu build`` as a person calls it."""
        command = [sys.executable, "-m", "wslgpu.cli", "build", name, "--site", str(self.site), *options]
        environment = {**self.environment, "WSLGPU_STORE_DIR": str(store or self.store)}
        return subprocess.run(
            command, env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=3600
        )

    def have(self, name: str) -> ArtifactRecord:
        """The artifact of a build, compiled now where this session has not done so yet."""
        if not Store(self.store).find(name):
            done = self.build(name, "--no-ccache")
            assert done.returncode == 0, done.stderr
        return Store(self.store).find(name)[0]


def kept_store() -> Path:
    """A store that outlives the session: the full FFmpeg is only built again when its key is new."""
    return cache_dir() / "test-store"


def make(folder: Path) -> RealBuilds:
    """The site file and the session's store, in ``folder``."""
    site = folder / "site.yml"
    rows = {name: row for build in BUILDS for name, row in _rows(build).items()}
    site.write_text(yaml.safe_dump({"ffmpeg_build": REDUCED, **({"build_sources": rows} if rows else {})}))
    return RealBuilds(site, folder / "store")


def _rows(build: str) -> dict[str, dict[str, Any]]:
    """Rows in place of those whose file the archive does not have any more."""
    settings = load(None)
    pins = {name: settings.build_sources[name] for name in settings.builds[build].sources.values()}
    rows = {}
    for name, pin in pins.items():
        cached = cache_dir() / "sources" / "sha256" / pin.sha256 / pin.file
        if pin.debian is None or cached.exists():
            continue
        found = find(pin.debian.release, pin.debian.package, pin.debian.kind)
        if pin.sha256 not in {file.sha256 for file in found}:
            rows[name] = _row(pin, found[0].sha256, found[0].size_bytes)
    return rows


def _row(pin: SourcePin, sha256: str, size_bytes: int) -> dict[str, Any]:
    row = {**json.loads(pin.model_dump_json()), "sha256": sha256, "size_bytes": size_bytes}
    return {**row, "checked_against": "the archive's signed index, for this test", "verified": False}
