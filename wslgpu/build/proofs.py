"""What is proven of an artifact before it is stored: all of it, or it is not stored, and every finding is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wslgpu.build import proof_elf, proof_ffmpeg, proof_files, proof_vulkan
from wslgpu.build.pins import OptionValue
from wslgpu.build.proof_elf import ElfBlock
from wslgpu.build.proof_ffmpeg import FfmpegBlock, Runner
from wslgpu.build.proof_files import FilesBlock
from wslgpu.build.proof_vulkan import VulkanBlock
from wslgpu.build.recipe import Recipe, is_on
from wslgpu.build.record import Proof, Requirements
from wslgpu.build.symbol_files import Symbols
from wslgpu.build.targets import Targets, known_targets
from wslgpu.errors import DataError, ErrorClass, WslgpuError
from wslgpu.pins import Strict

FINDINGS_SHOWN = 30


class Blocks(Strict):
    """The ``proofs`` of a recipe, merged for one choice of options. ``files`` and ``elf`` are always proven."""

    files: FilesBlock = FilesBlock()
    elf: ElfBlock = ElfBlock()
    vulkan: VulkanBlock | None = None
    ffmpeg: FfmpegBlock | None = None


def blocks_of(recipe: Recipe, options: Mapping[str, OptionValue]) -> Blocks:
    """What a recipe promises with these options: blocks whose ``when`` holds are merged, lists one after the other.

    :raises DataError: the recipe's proofs are none that there are
    """
    where = str(recipe.folder / "recipe.yml")
    merged: dict[str, dict[str, Any]] = {}
    for name, blocks in recipe.proofs.items():
        for block in blocks if isinstance(blocks, list) else [blocks]:
            if not isinstance(block, dict):
                raise DataError(f"proofs.{name}: must be a list of tables", where)
            if is_on(str(block.get("when", "")), dict(options)):
                _merge(merged.setdefault(name, {}), {key: value for key, value in block.items() if key != "when"})
    try:
        return Blocks.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"proofs.{place}: {first['msg']}", where) from error


def _merge(into: dict[str, Any], block: Mapping[str, Any]) -> None:
    for key, value in block.items():
        into[key] = [*into.get(key, []), *value] if isinstance(value, list) else value


def prove(
    out: Path,
    recipe: Recipe,
    options: Mapping[str, OptionValue],
    *,
    run: Runner,
    symbols: Symbols | None = None,
    table: Targets | None = None,
) -> tuple[tuple[Proof, ...], Requirements]:
    """Prove what a build left.

    :param out: the tree that becomes the artifact
    :param run: runs a program of the tree, in the root that it was built in
    :param symbols: which version brought each symbol of the root's libraries (:func:`wslgpu.build.symbol_files.read`)
    :param table: the distributions that must be able to run it
    :return: what was looked at and found, and what the artifact asks of a node
    :raises DataError: the recipe's proofs are none that there are
    :raises WslgpuError: class integrity: anything is not as it must be; all findings at once
    """
    table = table or known_targets()
    blocks = blocks_of(recipe, options)
    wrong, found = proof_files.findings(out, blocks.files.waived)
    found += "".join(f"; not {rule}: {why}" for rule, why in blocks.files.waived.items())
    untold, texts = proof_files.licence_findings(out)
    wrong += untold
    proofs = [Proof(name="files", found=found), Proof(name="licence", found=f"{recipe.licence}: {texts}")]
    files, broken = proof_elf.read_all(out)
    wrong += broken
    hardened = proof_elf.hardening(files, blocks.elf.waived)
    foreign = proof_elf.unlisted(files, recipe.links)
    requirements = proof_elf.requirements_of(files)
    wrong += [*hardened, *foreign, *proof_elf.unrunnable(files, table, symbols or {})]
    waived = "".join(f"; not {rule}: {why}" for rule, why in blocks.elf.waived.items())
    proofs += [
        Proof(name="hardening", found=f"{len(files)} programs and libraries: RELRO, PIE, no run path{waived}"),
        Proof(name="links", found=", ".join(requirements.sonames) or "nothing"),
        Proof(name="targets", found=f"runs on {', '.join(table.targets)}"),
    ]
    if blocks.vulkan:
        problems, found = proof_vulkan.findings(out, blocks.vulkan)
        wrong += problems
        proofs.append(Proof(name="vulkan", found=found))
    if blocks.ffmpeg:
        problems, found = proof_ffmpeg.findings(blocks.ffmpeg, run, recipe.licence)
        wrong += problems
        proofs.append(Proof(name="ffmpeg", found=found))
    if wrong:
        raise _refusal(recipe, wrong)
    return tuple(proofs), requirements


def _refusal(recipe: Recipe, wrong: list[str]) -> WslgpuError:
    shown = "".join(f"\n  - {finding}" for finding in wrong[:FINDINGS_SHOWN])
    more = f"\n  and {len(wrong) - FINDINGS_SHOWN} more" if len(wrong) > FINDINGS_SHOWN else ""
    return WslgpuError(
        f"what was built is not fit to be stored, {len(wrong)} finding(s):{shown}{more}\n",
        recipe.name,
        "Nothing was stored. Change the recipe, or what it allows, then build again.",
        ErrorClass.INTEGRITY,
    )
