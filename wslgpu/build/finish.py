"""The end of a build: prove what came out, pack it, and store it, or compare it with what is stored."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from wslgpu import __version__
from wslgpu.build import environment, history, symbol_files
from wslgpu.build.again import compare
from wslgpu.build.bill import bill_of
from wslgpu.build.errors import named_trouble
from wslgpu.build.licence import licence_of
from wslgpu.build.limits import available_bytes, build_group, memory_limit
from wslgpu.build.made import Made
from wslgpu.build.pack import Packed, pack
from wslgpu.build.proofs import prove
from wslgpu.build.provenance import statement
from wslgpu.build.record import ArtifactRecord, Proof, Requirements
from wslgpu.build.request import Context
from wslgpu.build.sandbox import Bind, Sandbox
from wslgpu.build.stages import Ran
from wslgpu.programs import Result

PROGRAM_TIMEOUT_S = 120.0
PROGRAM_PROCESSES = 256
_RECIPE_FILE = "recipe file "


def finish(context: Context, ran: Ran, stored: ArtifactRecord | None) -> ArtifactRecord:
    """Prove, pack and store what lies in the work folder.

    :param stored: the store's artifact of the same key, which is compared with and stays
    :raises WslgpuError: it is not fit to be stored, not the same as what is stored, or there is no room
    """
    progress, work, name = context.progress, context.work, context.plan.name
    out, archive = work.folder("out"), work.folder("archive.tar")
    with progress.step("prove", name), named_trouble("proving what was built", work.path.parent):
        proofs, requirements = _prove(context, out)
    with progress.step("pack", name), named_trouble("packing the artifact", work.path.parent):
        packed = pack(out, archive, epoch=ran.epoch)
    record, bill, provenance = _documents(context, ran, packed, proofs, requirements)
    with progress.step("store", record.name if stored is None else f"comparing with {stored.name}"):
        if stored is None:
            context.store.add(record, archive, bill, provenance)
        else:
            compare(context.store, stored, archive, packed)
            progress.say(f"{stored.name} is reproducible: {packed.digest} came out again")
    ended = int(time.time())
    seconds = (datetime.now(timezone.utc) - context.started).total_seconds()
    entry = history.Run(name, ended, round(seconds, 1), ran.jobs, ran.ccache, progress.durations)
    history.remember(context.plan.recipe.name, entry)
    return stored or record


def _prove(context: Context, out: Path) -> tuple[tuple[Proof, ...], Requirements]:
    with build_group(memory_limit(available_bytes()), PROGRAM_PROCESSES) as group:
        binds = [
            Bind(out, environment.OUT),
            Bind(context.work.folder("build"), environment.BUILD),
            Bind(context.work.folder("tmp"), environment.TEMPORARY, writable=True),
        ]
        sandbox = Sandbox(context.root.path, binds, group, PROGRAM_PROCESSES)

        def run(argv: Sequence[str]) -> Result:
            """A program of the artifact, in the root that it was built in."""
            variables = {**environment.FIXED, "PATH": environment.PATH}
            return sandbox.ask([f"{environment.OUT}/{argv[0]}", *argv[1:]], variables, PROGRAM_TIMEOUT_S)

        symbols = symbol_files.read(context.root.path)
        return prove(out, context.plan.recipe, context.plan.options, run=run, symbols=symbols)


def _documents(
    context: Context, ran: Ran, packed: Packed, proofs: tuple[Proof, ...], requirements: Requirements
) -> tuple[ArtifactRecord, bytes, bytes]:
    """The record, the bill of materials and the provenance statement."""
    plan, key = context.plan, context.key
    made = Made(
        artifact=plan.build.artifact,
        version=plan.build.version,
        build=plan.name,
        recipe=plan.recipe,
        options=plan.options,
        sources=plan.sources,
        packages=context.root.packages,
        recipe_files={
            name.removeprefix(_RECIPE_FILE): value.split()[0]
            for name, value in key.parts.items()
            if name.startswith(_RECIPE_FILE)
        },
        key=key.hex,
        digest=packed.digest,
        epoch=ran.epoch,
        licence=licence_of(plan.recipe, plan.options, plan.sources),
        requirements=requirements,
    )
    ended = datetime.now(timezone.utc)
    bill = bill_of(made)
    provenance = statement(
        made,
        invocation=str(uuid.uuid4()),
        started=_rfc3339(context.started),
        finished=_rfc3339(ended),
        internal={"jobs": ran.jobs, "ccache": ran.ccache},
    )
    record = ArtifactRecord(
        artifact=plan.build.artifact,
        version=plan.build.version,
        build=plan.name,
        key=key.hex,
        key_parts=key.parts,
        options=plan.options,
        base=plan.recipe.base,
        licence=made.licence,
        digest=packed.digest,
        size_bytes=packed.size_bytes,
        files=packed.files,
        requirements=requirements,
        proofs=proofs,
        bill=_digest(bill),
        provenance=_digest(provenance),
        created=_rfc3339(ended),
        duration_s=round((ended - context.started).total_seconds(), 1),
        tool_version=__version__,
    )
    return record, bill, provenance


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
