"""Where a judgement goes: standard output in one of three ways, report files, kept reports, signatures."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from wslgpu.check.files import require_file_place, require_folder_place, write_whole
from wslgpu.check.json_parts import json_parts
from wslgpu.check.signing import require_signer, sign
from wslgpu.verdict.model import Judgement

WRITERS = {"junit": "as_junit", "markdown": "as_markdown", "html": "as_html"}
"""Style -> function of the module of the same name in :mod:`wslgpu.report.capabilities`."""


@dataclass(frozen=True)
class Outputs:
    """What the command line asks for.

    :param files: style of :data:`WRITERS` -> file
    :param save: file or folder for the observation documents
    :param keep: folder in which reports are kept and compared
    :param sign: minisign's secret key
    :param style: of the exit code: ``plain``, ``distinct`` or ``nagios``
    """

    files: tuple[tuple[str, Path], ...] = ()
    save: Path | None = None
    keep: Path | None = None
    sign: Path | None = None
    as_json: bool = False
    style: str = "plain"
    verbose: bool = False

    def require_places(self, *, save_to_folder: bool) -> None:
        """Look at every place before the work begins.

        :raises UsageError: one that cannot be written, or nothing that could be signed
        """
        for _, path in self.files:
            require_file_place(path)
        if self.save is not None:
            (require_folder_place if save_to_folder or self.save.is_dir() else require_file_place)(self.save)
        if self.keep is not None:
            require_folder_place(self.keep)
        if self.sign is not None:
            require_signer(self.sign, [path for path in self._places() if path is not None])

    def _places(self) -> Iterator[Path | None]:
        yield from (path for _, path in self.files)
        yield self.save
        yield self.keep

    def write(self, judgement: Judgement, saved: list[Path]) -> int:
        """Write everything; gives the exit code.

        :param saved: observation documents that were written already
        :raises UsageError: a file cannot be written
        """
        written = list(saved)
        for style, path in self.files:
            write_whole(path, _writer(style)(judgement))
            written.append(path)
        compared: list[str] = []
        if self.keep is not None:
            path, compared = self._keep(judgement, self.keep)
            written.append(path)
        if self.sign is not None:
            said = f"wslgpu {judgement.tool_version} catalogue {judgement.catalogue_digest} {judgement.started}"
            written += sign(written, self.sign, said)
        code = self._standard_output(judgement)
        for line in compared:
            click.echo(line, err=self.as_json or self.style == "nagios")
        if not self.as_json and self.style != "nagios":
            for path in written:
                click.echo(f"written: {path}", err=True)
        return code

    def _keep(self, judgement: Judgement, folder: Path) -> tuple[Path, list[str]]:
        from wslgpu.check.comparing import difference_lines
        from wslgpu.check.history import keep

        path, earlier = keep(judgement, folder)
        if earlier is None:
            return path, [f"{folder}: the first report of these nodes"]
        return path, [f"since {earlier[0].name}:", *difference_lines(earlier[1], judgement)]

    def _standard_output(self, judgement: Judgement) -> int:
        from wslgpu.report.capabilities.nagios import distinct_exit_code, nagios_line

        if self.style == "nagios":
            text, code = nagios_line(judgement)
            click.echo(text, nl=False)
            return code
        if self.as_json:
            for part in json_parts(judgement):
                click.echo(part, nl=False)
        else:
            from rich.console import Console

            from wslgpu.report.capabilities.terminal import write_terminal

            write_terminal(judgement, Console(highlight=False), verbose=self.verbose)
        return distinct_exit_code(judgement) if self.style == "distinct" else judgement.exit_code


def _writer(style: str) -> Callable[[Judgement], str]:
    module = importlib.import_module(f"wslgpu.report.capabilities.{style}")
    found: Callable[[Judgement], str] = getattr(module, WRITERS[style])
    return found
