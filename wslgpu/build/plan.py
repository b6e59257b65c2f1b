"""What is to be built: a row of the pins with its recipe, options and sources, checked before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build.pins import BuildPin, OptionValue, SourcePin
from wslgpu.build.recipe import RECIPES, Recipe, chosen_options, load_recipe, needed_packages, needed_roles
from wslgpu.errors import DataError, UsageError
from wslgpu.names import did_you_mean
from wslgpu.settings import BUILDS_FILE, Settings, site_file
from wslgpu.yaml_source import load_yaml

PATCHES = "patches"


@dataclass(frozen=True)
class Plan:
    """One build, decided.

    :param folder: of the recipe
    :param sources: role -> pin, of the roles that these options need
    :param patches: role -> files below ``patches/``, in the order in which they are applied
    """

    name: str
    build: BuildPin
    recipe: Recipe
    folder: Path
    options: dict[str, OptionValue]
    sources: dict[str, SourcePin]
    patches: dict[str, tuple[str, ...]]

    @property
    def packages(self) -> tuple[str, ...]:
        """What the clean root has to have."""
        return needed_packages(self.recipe, self.options)


def names_of(words: Sequence[str], settings: Settings, *, everything: bool) -> list[str]:
    """Rows of ``builds`` for what was said on the command line: rows, or artifacts, whose row the settings choose.

    :raises UsageError: neither, or nothing was said
    """
    if everything == bool(words):
        raise UsageError("say what to build: NAMEs, or --all", "wslgpu build", f"Known: {_known(settings)}.")
    if everything:
        return sorted(settings.builds)
    chosen = {"mesa-dozen": settings.mesa_dozen_build, "ffmpeg": settings.ffmpeg_build}
    found = []
    for word in words:
        name = word if word in settings.builds else chosen.get(word, "")
        if not name:
            step = did_you_mean(word, [*settings.builds, *chosen]) or f"Known: {_known(settings)}."
            raise UsageError(f"there is no build {word!r}", "builds.yml, site.yml", step.strip())
        found.append(name)
    return list(dict.fromkeys(found))


def _known(settings: Settings) -> str:
    return ", ".join(["mesa-dozen", "ffmpeg", *sorted(settings.builds)])


def make_plan(name: str, settings: Settings, *, recipes: Path | None = None, site: Path | None = None) -> Plan:
    """Read the recipe of a row, and hold the row against it.

    :param recipes: a folder of recipes of one's own; a name that it does not have is looked for among ours
    :raises DataError: an option, role, source or file that does not fit, by file and line where it is known
    """
    build = settings.builds[name]
    own = recipes / build.recipe if recipes is not None else None
    folder = own if own is not None and own.is_dir() else RECIPES / build.recipe
    recipe, document = load_recipe(build.recipe, folder)
    if recipe.name != build.recipe:
        raise DataError(f"name: is {recipe.name!r} in the folder {folder.name!r}", document.where(("name",)))
    options = chosen_options(recipe, build, _where(name, site, "options"))
    for role in build.sources:
        if role not in recipe.roles:
            known = ", ".join(recipe.roles)
            where = _where(name, site, "sources", role)
            raise DataError(f"sources.{role}: the recipe {recipe.name} has no such role", where, f"Known: {known}.")
    roles = needed_roles(recipe, options)
    for role in roles:
        if role not in build.sources:
            what = f"sources: the recipe {recipe.name} needs a source for {role} ({recipe.roles[role].help})"
            raise DataError(what, _where(name, site, "sources"))
    if recipe.source_date not in roles or recipe.roles[recipe.source_date].form != "tree":
        raise DataError(
            "source_date: must be a role of form tree that is always needed", document.where(("source_date",))
        )
    _check_files(folder)
    sources = {role: settings.build_sources[build.sources[role]] for role in roles}
    return Plan(name, build, recipe, folder, options, sources, _patches(folder, recipe, roles))


def _check_files(folder: Path) -> None:
    """Plain files only, and no script with Windows line ends, which sh would read as part of each word."""
    if not (folder / "build.sh").is_file():
        raise DataError("has no build.sh", str(folder), "A recipe is recipe.yml and build.sh.")
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise DataError("is neither a file nor a folder", str(path), "A recipe holds nothing else.")
        if path.suffix != ".sh":
            continue
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if line.endswith(b"\r"):
                step = "Convert it (sed -i 's/\\r$//' FILE), and tell git: *.sh text eol=lf in .gitattributes."
                raise DataError("ends its lines as Windows does (CRLF), which sh cannot run", f"{path}:{number}", step)


def _patches(folder: Path, recipe: Recipe, roles: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``patches/<role>-NN-*.patch`` by role; one that belongs to no role of the recipe is refused."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((folder / PATCHES).glob("*")):
        matching = [role for role in recipe.roles if path.name.startswith(f"{role}-") and path.suffix == ".patch"]
        role = max(matching, key=len, default="")
        if not role or recipe.roles[role].form != "tree":
            step = f"Call it ROLE-NN-WHAT.patch, with a role of form tree: {', '.join(recipe.roles)}."
            raise DataError("belongs to no source of the recipe", str(path), step)
        if role in roles:
            found[role] = (*found.get(role, ()), path.name)
    return found


def _where(name: str, site: Path | None, *loc: str) -> str:
    """``file:line`` of a part of a row: in the site file where that has the row, else in builds.yml."""
    path = site or site_file()
    if path.exists():
        document = load_yaml(path)
        if ("builds", name) in document.lines:
            return document.where(("builds", name, *loc))
    return load_yaml(BUILDS_FILE).where(("builds", name, *loc))
