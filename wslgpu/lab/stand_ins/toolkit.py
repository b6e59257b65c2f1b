"""Stand-ins for NVIDIA's four container toolkit packages, as Debian packages for the lab's repository.

Names, versions, dependencies, files, units and maintainer scripts follow the genuine packages; the programs
are those of ``wslgpu.lab.stand_ins.node``. What the versions do differently on WSL2 is in that folder,
except for the refresh unit, which is here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wslgpu.lab.stand_ins.driver import StandInError, compile_library

VERSIONS = ("1.18.1-1", "1.18.2-1", "1.19.1-1", "1.20.0-1")

BASE = "nvidia-container-toolkit-base"
TOOLKIT = "nvidia-container-toolkit"
TOOLS = "libnvidia-container-tools"
LIBRARY = "libnvidia-container1"
PACKAGES = (TOOLKIT, BASE, TOOLS, LIBRARY)

NODE_SOURCES = Path(__file__).with_name("node")
UNIT_SOURCES = Path(__file__).with_name("units")
INSTALLED = "usr/lib/nvidia-stand-in/nvidia_stand_in"

#: Program on the node, module of the stand-in, package.
PROGRAMS = {
    "usr/bin/nvidia-ctk": ("ctk", BASE),
    "usr/bin/nvidia-cdi-hook": ("cdi_hook", BASE),
    "usr/bin/nvidia-container-runtime": ("runtime", BASE),
    "usr/bin/nvidia-container-runtime-hook": ("runtime_hook", TOOLKIT),
    "usr/bin/nvidia-container-cli": ("container_cli", TOOLS),
}

# -I -S -B: the node's own Python path is out of play, and no bytecode is left behind in /usr/lib.
_LAUNCHER = """\
#!/usr/bin/python3 -ISB
# Stand-in of the wslgpu lab, not NVIDIA's program.
import sys

sys.path.insert(0, "/usr/lib/nvidia-stand-in")

from nvidia_stand_in.{module} import main

sys.exit(main())
"""

# Any fixed moment will do, it only has to be the same in every build.
_EPOCH = 1_700_000_000


@dataclass
class _Package:
    name: str
    depends: str
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    conffiles: list[str] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, data: bytes | str, mode: int = 0o644) -> None:
        self.files[path] = (data.encode() if isinstance(data, str) else data, mode)

    def add_conffile(self, path: str, data: bytes | str) -> None:
        self.add(path, data)
        self.conffiles.append("/" + path)


def build_debs(out_dir: Path, versions: Sequence[str] = VERSIONS) -> list[Path]:
    """Build the four packages of each of *versions* (``1.20.0-1``) into *out_dir*; returns the files.

    The same sources, compiler and dpkg-deb give the same bytes. Raises StandInError when dpkg-deb or gcc
    is missing.
    """
    if shutil.which("dpkg-deb") is None:
        raise StandInError(
            "the stand-in packages cannot be built: there is no dpkg-deb on this machine",
            next_step="apt-get install dpkg",
        )
    out_dir.mkdir(parents=True, exist_ok=True)
    built = []
    for version in versions:
        for package in _packages(version):
            path = out_dir / f"{package.name}_{version}_amd64.deb"
            _build(package, version, path)
            built.append(path)
    return built


def units_folder(version: str) -> str:
    """Where the refresh units of *version* are: conffiles in /etc up to 1.19.x, /lib from 1.20.0 on
    (nvidia-container-toolkit #1076 and #1827)."""
    return "lib/systemd/system" if _tuple(version) >= (1, 20) else "etc/systemd/system"


def refresh_units(version: str) -> dict[str, str]:
    """The texts of nvidia-cdi-refresh.path and .service as *version* has them."""
    generation = "wsl" if _tuple(version) >= (1, 19, 1) else "no-wsl"
    return {
        "nvidia-cdi-refresh.path": (UNIT_SOURCES / "nvidia-cdi-refresh.path.in").read_text(encoding="utf-8"),
        "nvidia-cdi-refresh.service": (UNIT_SOURCES / f"nvidia-cdi-refresh.{generation}.service.in").read_text(
            encoding="utf-8"
        ),
    }


def _packages(version: str) -> list[_Package]:
    toolkit = _Package(TOOLKIT, f"{BASE} (= {version}), {TOOLS} (>= {version}), {TOOLS} (<< 2.0.0)")
    # Debian 12's python3-minimal has no json; Debian 13's is enough.
    base = _Package(BASE, "python3-minimal (>= 3.13) | python3")
    tools = _Package(TOOLS, f"{LIBRARY} (>= {version}), {BASE}")
    library = _Package(LIBRARY, "libc6")
    by_name = {package.name: package for package in (toolkit, base, tools, library)}

    for source in sorted(NODE_SOURCES.glob("*.py")):
        base.add(f"{INSTALLED}/{source.name}", source.read_bytes())
    upstream = version.split("-")[0]
    base.add(f"{INSTALLED}/version.py", f'"""Made by the package build."""\n\nVERSION = "{upstream}"\n')
    for path, (module, owner) in PROGRAMS.items():
        by_name[owner].add(path, _LAUNCHER.format(module=module), 0o755)
    base.add_conffile(
        "etc/nvidia-container-toolkit/nvidia-cdi-refresh.env",
        "# Environment of nvidia-cdi-refresh.service, for example NVIDIA_CTK_CDI_OUTPUT_FILE_PATH.\n",
    )
    for name, text in refresh_units(version).items():
        path = f"{units_folder(version)}/{name}"
        if path.startswith("etc/"):
            base.add_conffile(path, text)
        else:
            base.add(path, text)
    scripts = "debhelper" if _tuple(version) >= (1, 20) else "systemctl"
    for script in ("preinst", "postinst", "prerm", "postrm"):
        text_file = UNIT_SOURCES / f"{script}.{scripts}.sh"
        if text_file.exists():
            base.scripts[script] = text_file.read_text(encoding="utf-8")
    library.add(
        f"usr/lib/x86_64-linux-gnu/libnvidia-container.so.{upstream}",
        compile_library("common", "-Wl,-soname,libnvidia-container.so.1"),
    )
    library.scripts["triggers"] = "activate-noawait ldconfig\n"
    return [toolkit, base, tools, library]


def _build(package: _Package, version: str, out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for path, (data, mode) in package.files.items():
            _write(root / path, data, mode)
        if package.name == LIBRARY:
            (root / "usr/lib/x86_64-linux-gnu/libnvidia-container.so.1").symlink_to(
                f"libnvidia-container.so.{version.split('-')[0]}"
            )
        size_kib = sum(len(data) for data, _ in package.files.values()) // 1024 + 1
        control = {
            "Package": package.name,
            "Version": version,
            "Architecture": "amd64",
            "Maintainer": "wslgpu lab <lab@wslgpu.invalid>",
            "Installed-Size": str(size_kib),
            "Depends": package.depends,
            "Section": "utils",
            "Priority": "optional",
            "Description": f"stand-in of the wslgpu lab for NVIDIA's {package.name}\n"
            " Behaves on WSL2 as the genuine package of this version does, without a GPU. Not made by NVIDIA.",
        }
        _write(root / "DEBIAN/control", _stanza(control), 0o644)
        if package.conffiles:
            _write(root / "DEBIAN/conffiles", "".join(f"{path}\n" for path in package.conffiles), 0o644)
        for name, text in package.scripts.items():
            _write(root / f"DEBIAN/{name}", text, 0o644 if name == "triggers" else 0o755)
        for entry in sorted(root.rglob("*"), reverse=True):
            os.utime(entry, (_EPOCH, _EPOCH), follow_symlinks=False)
        os.utime(root, (_EPOCH, _EPOCH))
        partial = out.with_name(out.name + ".part")
        command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(partial)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(_EPOCH)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StandInError(f"dpkg-deb did not build {out.name}: {done.stderr.strip()}")
        partial.replace(out)


def _write(path: Path, data: bytes | str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    path.chmod(mode)


def _stanza(fields: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split("."))
