"""What a recipe's script finds around it: places, flags and variables. Part of the build key, so nothing else is here.

Paths, host name, time zone, locale and umask are the same on every machine; JOBS is the one thing that may differ, and
it may not change what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping

from wslgpu.build.pins import BuildPin, OptionValue
from wslgpu.build.record import PREFIX_ROOT

RECIPE, SOURCES, BUILD, OUT, CCACHE, TEMPORARY = "/recipe", "/sources", "/build", "/out", "/ccache", "/tmp"  # noqa: S108
HOST_NAME = "build"
USER_NAME = "build"
USER_ID = 65_532
"""No user of Debian's or systemd's tables; only limits per user and the owner of the work folder know it."""
UMASK = "022"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
CCACHE_PATH = f"/usr/lib/ccache:{PATH}"

_NO_PATHS = f"-ffile-prefix-map={BUILD}=. -ffile-prefix-map={SOURCES}=."
FLAGS = {
    "CFLAGS": f"-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2 {_NO_PATHS}",
    "CXXFLAGS": f"-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2 {_NO_PATHS}",
    "LDFLAGS": "-Wl,-z,relro -Wl,-z,now -Wl,--build-id=sha1",
}
FIXED = {
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "HOME": BUILD,
    "USER": USER_NAME,
    "LOGNAME": USER_NAME,
    "SHELL": "/bin/sh",
    "TERM": "dumb",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    **FLAGS,
}
_CCACHE = {
    "CCACHE_DIR": CCACHE,
    "CCACHE_COMPILERCHECK": "content",  # a compiler's time and size say nothing in a root that is made anew
    "CCACHE_NOSLOPPINESS": "1",
    "CCACHE_TEMPDIR": TEMPORARY,
    "CCACHE_MAXSIZE": "2G",
}


def option_variable(name: str) -> str:
    """``cuda-llvm`` -> ``OPTION_CUDA_LLVM``."""
    return "OPTION_" + name.upper().replace("-", "_").replace(".", "_").replace("+", "_")


def option_value(value: OptionValue) -> str:
    """``yes``, ``no``, or the choice."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def variables(
    build: BuildPin, options: Mapping[str, OptionValue], *, jobs: int, epoch: int, ccache: bool
) -> dict[str, str]:
    """The whole environment of a recipe's script.

    :param epoch: SOURCE_DATE_EPOCH
    """
    return {
        **FIXED,
        "PATH": CCACHE_PATH if ccache else PATH,
        "PREFIX": f"{PREFIX_ROOT}/{build.artifact}",
        "VERSION": build.version,
        "JOBS": str(jobs),
        "SOURCE_DATE_EPOCH": str(epoch),
        # a build system that finds ccache by itself must not use one that is not ours
        **(_CCACHE if ccache else {"CCACHE_DISABLE": "1"}),
        **{option_variable(name): option_value(value) for name, value in options.items()},
    }
