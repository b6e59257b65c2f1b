"""The kernel's program against a libcuda that computes on the processor, and against none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node.support.cuda_kernel import COUNT, FACTOR, expected
from wslgpu.settings import PROJECT_ROOT

pytestmark = pytest.mark.compiled

PROGRAM = PROJECT_ROOT / "tests" / "node" / "support" / "cuda_kernel.py"
SOURCE = Path(__file__).parent / "cpu_cuda.c"


def compiled(folder: Path, *flags: str) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    command = [compiler, "-shared", "-fPIC", "-w", *flags, "-o", str(folder / "libcuda.so.1"), str(SOURCE)]
    subprocess.run(command, check=True)
    return folder


def told(library_path: Path) -> dict[str, object]:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library_path)}
    done = subprocess.run(
        [sys.executable, "-S", str(PROGRAM)], env=environment, capture_output=True, text=True, check=True
    )
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_expected_results_are_the_formula() -> None:
    total, values = expected()
    index = COUNT - 1
    assert values[index] == (FACTOR * index + (index ^ 0x5BD1E995)) % 2**32
    assert total == sum(values)


def test_a_kernel_that_computes_right_is_believed(tmp_path: Path) -> None:
    found = told(compiled(tmp_path))
    assert found["state"] == "ran", found
    assert found["device"] == "a processor"
    assert found["library"] == [str(tmp_path / "libcuda.so.1")]


@pytest.mark.parametrize(
    ("fault", "word"), [("y[77]++", "element 77"), ("(*sum)--", "the sum"), ("return 700", "CUDA_ERROR_OF_THE_TEST")]
)
def test_a_wrong_result_is_not(tmp_path: Path, fault: str, word: str) -> None:
    found = told(compiled(tmp_path, f"-DFAULT={fault}"))
    assert found["state"] == "failed", found
    assert word in str(found["detail"])


def test_a_stand_in_is_told_from_a_driver(tmp_path: Path) -> None:
    extra = tmp_path / "extra.c"
    extra.write_text('const char wslgpu_stand_in[] = "a stand-in";\n')
    found = told(compiled(tmp_path, str(extra)))
    assert (found["state"], found["detail"]) == ("stand-in", "a stand-in")


def test_no_driver_is_no_traceback(tmp_path: Path) -> None:
    assert told(tmp_path)["state"] == "no-driver"
