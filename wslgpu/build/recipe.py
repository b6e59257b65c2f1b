"""Recipes: how something is built, as data and one shell script.

A recipe is a folder of ``wslgpu/build/recipes`` with ``recipe.yml``, ``build.sh`` and perhaps ``patches/``. The script
runs in the sandbox (:mod:`wslgpu.build.sandbox`) once per phase, as an unprivileged user and without a network::

    sh -eu /recipe/build.sh PHASE

with this around it:

- ``/recipe`` the recipe's folder, read-only; ``/sources/ROLE`` each source unpacked (a tree is writable and already
  patched), or, where the role's form is ``file``, the file itself;
- ``/build`` an empty folder to work in, kept from phase to phase; ``/out`` what becomes the artifact: members relative
  to the prefix, such as ``/out/lib/libvulkan_dzn.so``;
- in the environment ``PREFIX`` (/opt/wslgpu/ARTIFACT, the folder above all versions: nothing built may need the name of
  its own version's folder), ``VERSION``, ``JOBS``, ``SOURCE_DATE_EPOCH``, ``CFLAGS``/``CXXFLAGS``/``LDFLAGS``, ccache's
  variables where it is used, and ``OPTION_NAME`` (``yes``, ``no`` or the choice) for each option.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from wslgpu.build.pins import BuildPin, Identifier, OptionValue
from wslgpu.errors import DataError
from wslgpu.pins import Strict
from wslgpu.yaml_source import YamlDocument, load_yaml, validate

RECIPES = Path(__file__).parent / "recipes"


class Option(Strict):
    """A choice that a build makes.

    :param choices: where it is no yes or no
    :param help: what it changes for the person who uses the artifact
    """

    default: OptionValue
    choices: tuple[str, ...] = ()
    help: str

    @model_validator(mode="after")
    def _default_fits(self) -> Option:
        self.check(self.default)
        return self

    def check(self, value: OptionValue) -> None:
        """Refuse a value that is none of the choices.

        :raises ValueError: with the values that there are
        """
        if self.choices and value not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}; it is {value!r}")
        if not self.choices and not isinstance(value, bool):
            raise ValueError(f"must be true or false; it is {value!r}")


class Role(Strict):
    """A source that a recipe needs.

    :param form: ``tree``: unpacked, its single top folder taken away; ``file``: as it came
    :param when: option that must be on (or ``OPTION=CHOICE``) for the role to be needed; empty: always
    """

    form: Literal["tree", "file"] = "tree"
    when: str = ""
    help: str


class Recipe(Strict):
    """The whole of recipe.yml.

    :param base: Debian release of the clean root
    :param packages: build dependencies, installed in the root; ``package -> OPTION`` rows in ``optional_packages``
    :param source_date: whose source's newest file gives SOURCE_DATE_EPOCH
    :param memory_per_job_bytes: what one compiler may need at its greatest
    :param disk_bytes: what the build needs free in the work folder
    :param estimate_s: about what it takes on two cores, until a build has been measured on this machine
    :param links: allow-list: the sonames that what is built may link and does not bring
    :param proofs: names of wslgpu.build.proofs, with what each is given
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    name: Identifier
    title: str
    base: Annotated[str, Field(pattern=r"^[a-z]+$")]
    packages: tuple[str, ...]
    optional_packages: dict[str, tuple[str, ...]] = {}
    options: dict[str, Option] = {}
    roles: dict[Identifier, Role]
    source_date: Identifier
    phases: tuple[Identifier, ...] = ("configure", "compile", "install")
    memory_per_job_bytes: Annotated[int, Field(gt=0)]
    disk_bytes: Annotated[int, Field(gt=0)]
    estimate_s: Annotated[int, Field(gt=0)]
    licence: str
    links: tuple[str, ...]
    proofs: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return RECIPES / self.name


def load_recipe(name: str, folder: Path | None = None) -> tuple[Recipe, YamlDocument]:
    """Read a recipe.

    :raises DataError: there is none of that name, or anything wrong in it, by file and line
    """
    path = (folder or RECIPES / name) / "recipe.yml"
    if not path.is_file():
        known = ", ".join(sorted(entry.parent.name for entry in RECIPES.glob("*/recipe.yml")))
        raise DataError(f"there is no recipe {name!r}", str(path), f"Known: {known}.")
    document = load_yaml(path)
    return validate(Recipe, document), document


def chosen_options(recipe: Recipe, build: BuildPin, where: str) -> dict[str, OptionValue]:
    """All options of a recipe with the values that a build gives them.

    :raises DataError: an option that the recipe does not have, or a value that it does not take
    """
    for name, value in build.options.items():
        if name not in recipe.options:
            known = ", ".join(recipe.options) or "none"
            raise DataError(f"options.{name}: the recipe {recipe.name} has no such option", where, f"Known: {known}.")
        try:
            recipe.options[name].check(value)
        except ValueError as error:
            raise DataError(f"options.{name}: {error}", where) from error
    return {name: build.options.get(name, option.default) for name, option in recipe.options.items()}


def is_on(condition: str, options: dict[str, OptionValue]) -> bool:
    """Whether a ``when`` holds: ``""``, ``opengl`` or ``codecs=full``."""
    if not condition:
        return True
    name, has_choice, choice = condition.partition("=")
    return options.get(name) == choice if has_choice else options.get(name) is True


def needed_roles(recipe: Recipe, options: dict[str, OptionValue]) -> tuple[str, ...]:
    """The roles that a build with these options needs."""
    return tuple(name for name, role in recipe.roles.items() if is_on(role.when, options))


def needed_packages(recipe: Recipe, options: dict[str, OptionValue]) -> tuple[str, ...]:
    """The build dependencies that a build with these options needs, sorted."""
    extra = [name for when, names in recipe.optional_packages.items() if is_on(when, options) for name in names]
    return tuple(sorted({*recipe.packages, *extra}))
