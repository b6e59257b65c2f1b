"""Signatures, by the genuine minisign where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import capability_samples as samples
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.report.capabilities import as_json, sign_report, verify_report

MINISIGN = shutil.which("minisign")
needs_minisign = pytest.mark.skipif(MINISIGN is None, reason="minisign is not installed (apt-get install minisign)")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_text(as_json(samples.judgement()), encoding="utf-8")
    return path


def make_key(folder: Path, password: str = "") -> tuple[Path, Path]:
    secret, public = folder / "secret.key", folder / "public.key"
    arguments = ["minisign", "-G", "-p", str(public), "-s", str(secret), *([] if password else ["-W"])]
    subprocess.run(arguments, input=f"{password}\n{password}\n", text=True, check=True, capture_output=True)
    return secret, public


@needs_minisign
def test_what_was_signed_is_verified_and_says_what_made_it(report: Path) -> None:
    secret, public = make_key(report.parent)
    signature = sign_report(report, secret, catalogue_digest=samples.DIGEST, tool_version="0.1.0")
    assert signature == report.with_name("report.json.minisig")
    comment = f"wslgpu 0.1.0, catalogue {samples.DIGEST}"
    assert verify_report(report, str(public)) == comment
    assert verify_report(report, public.read_text().splitlines()[1]) == comment


@needs_minisign
@pytest.mark.parametrize("what", ["report", "comment"])
def test_what_was_changed_is_refused(report: Path, what: str) -> None:
    secret, public = make_key(report.parent)
    signature = sign_report(report, secret)
    changed = report if what == "report" else signature
    changed.write_text(changed.read_text().replace("wslgpu", "wslgpv", 1))
    with pytest.raises(WslgpuError, match="does not hold") as raised:
        verify_report(report, str(public))
    assert raised.value.error_class is ErrorClass.INTEGRITY


@needs_minisign
def test_another_key_is_refused(report: Path, tmp_path: Path) -> None:
    sign_report(report, make_key(report.parent)[0])
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(WslgpuError, match="does not hold"):
        verify_report(report, str(make_key(other)[1]))


@needs_minisign
@pytest.mark.long
def test_a_password_comes_from_standard_input(report: Path) -> None:
    secret, public = make_key(report.parent, "right horse")
    refused = signed_by_hand(report, secret, "wrong")
    assert refused.returncode != 0
    assert "minisign did not sign" in refused.stderr
    assert signed_by_hand(report, secret, "right horse").returncode == 0
    assert verify_report(report, str(public)).startswith("wslgpu ")


def signed_by_hand(report: Path, secret: Path, typed: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys, pathlib; from wslgpu.report.capabilities import sign_report;"
        "sign_report(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(report), str(secret)]
    return subprocess.run(command, input=f"{typed}\n", text=True, capture_output=True, check=False)


@needs_minisign
def test_missing_files_and_keys_are_usage_errors(report: Path, tmp_path: Path) -> None:
    secret, public = make_key(report.parent)
    with pytest.raises(UsageError, match="secret key"):
        sign_report(report, tmp_path / "none")
    with pytest.raises(UsageError, match="the report"):
        sign_report(tmp_path / "none", secret)
    with pytest.raises(UsageError, match="its signature"):
        verify_report(report, str(public))
    sign_report(report, secret)
    with pytest.raises(UsageError, match="neither a file nor a key"):
        verify_report(report, "RWnonsense")


def test_without_the_program_its_package_is_named(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UsageError, match="apt-get install minisign"):
        sign_report(report, report)
