"""What is read of a Debian archive's index, and how apt's troubles are told; apt itself runs, against loopback."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from tests.unit.source_server import Source
from wslgpu.build import apt_folder, distribution
from wslgpu.build.apt_folder import failed
from wslgpu.build.distribution import compare_versions, find, is_upstream, parse_stanza
from wslgpu.build.mirrors import translated
from wslgpu.build.pins import SourcePin
from wslgpu.build.rows import row_of, yaml_of
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.lab.faults import Fault
from wslgpu.programs import Result

pytestmark = pytest.mark.usefixtures("build_cache")

# shortened from Debian 13's own index
SOURCES = """\
Package: x265
Binary: libx265-215, libx265-dev, x265
Version: 4.1-2
Build-Depends: cmake,
 nasm
Checksums-Sha256:
 1f0c7b8b3bcab1d3d6f0a34f0eaa7b0f7c7a1d2d5f6f0a34f0eaa7b0f7c7a1d2 2231 x265_4.1-2.dsc
 85abb8a850000bf693947459c42a666a3ecd6de10a2ac6b3c6647554b14d3270 1113508 x265_4.1.orig.tar.xz
 2f0c7b8b3bcab1d3d6f0a34f0eaa7b0f7c7a1d2d5f6f0a34f0eaa7b0f7c7a1d2 14180 x265_4.1-2.debian.tar.xz
Directory: pool/main/x/x265
Package-List:
 x265 deb video optional arch=any
"""
PACKAGES = """\
Package: wayland-protocols
Version: 1.44-1
Architecture: all
Filename: pool/main/w/wayland-protocols/wayland-protocols_1.44-1_all.deb
Size: 125132
SHA256: 3bbe8044f92fbf6822039064764d1d4b3a1dbb931083ab40ea189c9fd1d7a04f
"""


def test_of_a_source_package_upstreams_archives_are_found() -> None:
    (found,) = parse_stanza(SOURCES, "trixie", "source", "http://mirror.example/debian/")
    assert found.file == "x265_4.1.orig.tar.xz"
    assert found.sha256.startswith("85abb8a8")
    assert found.size_bytes == 1_113_508
    assert found.uri == "http://mirror.example/debian/pool/main/x/x265/x265_4.1.orig.tar.xz"
    assert (found.version, found.upstream_version) == ("4.1-2", "4.1")


def test_of_a_binary_package_the_deb_is_found() -> None:
    (found,) = parse_stanza(PACKAGES, "trixie", "binary", "http://mirror.example/debian")
    assert found.file == "wayland-protocols_1.44-1_all.deb"
    assert found.uri.endswith("/debian/pool/main/w/wayland-protocols/wayland-protocols_1.44-1_all.deb")
    assert found.size_bytes == 125_132


@pytest.mark.parametrize(
    ("file", "upstream"),
    [
        ("x_1.orig.tar.xz", True),
        ("x_1.orig-docs.tar.gz", True),
        ("x_1.tar.xz", True),
        ("x_1-2.debian.tar.xz", False),
        ("x_1-2.dsc", False),
        ("x_1.orig.tar.xz.asc", False),
        ("x_1-2.diff.gz", False),
    ],
)
def test_debians_own_files_are_told_from_upstreams(file: str, upstream: bool) -> None:
    assert is_upstream(file) is upstream


@pytest.mark.parametrize(
    ("version", "upstream"),
    [
        ("7:7.1.5-0+deb13u1", "7.1.5"),
        ("1.44-1", "1.44"),
        ("2:0.164.3108+git31e19f9-2", "0.164.3108+git31e19f9"),
        ("2025.1", "2025.1"),
        ("1-2-3", "1-2"),
    ],
)
def test_the_upstream_version(version: str, upstream: str) -> None:
    stanza = PACKAGES.replace("1.44-1\nArch", f"{version}\nArch")
    (found,) = parse_stanza(stanza, "trixie", "binary", "")
    assert found.upstream_version == upstream


def test_versions_are_compared_as_dpkg_does() -> None:
    rising = ["1.0~rc1-1", "1.0-1~bpo1", "1.0-1", "1.0-1+b1", "1.9-1", "1.10-1", "1:0.1-1", "7:8.1.2-2"]
    assert [compare_versions(left, right) for left, right in itertools.pairwise(rising)] == [-1] * 7
    assert [compare_versions(right, left) for left, right in itertools.pairwise(rising)] == [1] * 7
    assert compare_versions("1.0-1", "1.0-1") == 0


def test_the_machines_own_mirror_is_taken_for_other_releases() -> None:
    targets = """\
Packages Debian http://a.example/debian/ bookworm
Packages Debian http://a.example/debian/ bookworm-updates
Packages Debian http://b.example/debian-security/ bookworm-security
Packages Debian http://a.example/debian/ bookworm-backports
Packages Other http://c.example/stuff/ stable
DEP-11 Debian http://a.example/debian/ bookworm
"""
    main = ("http://a.example/debian", "trixie")
    assert translated(targets, "trixie") == [
        main,
        ("http://a.example/debian", "trixie-updates"),
        ("http://b.example/debian-security", "trixie-security"),
    ]
    assert translated(targets, "sid") == [("http://a.example/debian", "sid")]
    assert translated("Packages Ubuntu http://u.example/ubuntu/ noble\n", "trixie") == []
    assert translated("", "trixie") == []


@pytest.mark.parametrize(
    ("said", "error_class", "words"),
    [
        ("E: Failed to fetch http://m/x  Temporary failure resolving 'm'", ErrorClass.NETWORK, "DNS"),
        ("E: Failed to fetch http://m/x  Hash Sum mismatch", ErrorClass.INTEGRITY, "Hash Sum mismatch"),
        ("W: GPG error: http://m x: NO_PUBKEY 0123", ErrorClass.INTEGRITY, "NO_PUBKEY"),
        ("E: The repository 'http://m x InRelease' is not signed.", ErrorClass.INTEGRITY, "not signed"),
        ("E: Failed to fetch https://m/x  Certificate verification failed", ErrorClass.INTEGRITY, "Certificate"),
        ("E: Failed to fetch http://m/x  Could not connect to m:80", ErrorClass.NETWORK, "Could not connect"),
        ("E: Failed to fetch http://m/x  404  Not Found", ErrorClass.PLATFORM, "not there"),
    ],
)
def test_apts_words_are_understood(said: str, error_class: ErrorClass, words: str) -> None:
    error = failed("no index", Result(100, "", f"W: Download is performed unsandboxed as root\n{said}\n"), "trixie")
    assert error.error_class is error_class
    assert error.retryable is (error_class is ErrorClass.NETWORK)
    assert words in str(error)
    assert "unsandboxed" not in str(error)


def asked_of(source: Source, monkeypatch: pytest.MonkeyPatch) -> WslgpuError:
    """What comes of asking a server on loopback for trixie."""
    monkeypatch.setattr(distribution, "candidates", lambda release: [[(f"{source.url}/debian", release)]])
    with pytest.raises(WslgpuError) as caught:
        find("trixie", "x265")
    return caught.value


def test_an_archive_without_a_signature_is_refused(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    (source.folder / "debian/dists/trixie/main/source").mkdir(parents=True)
    source.put("debian/dists/trixie/InRelease", b"Origin: Debian\nSuite: trixie\nCodename: trixie\n")
    source.put("debian/dists/trixie/Release", b"Origin: Debian\nSuite: trixie\nCodename: trixie\n")
    source.put("debian/dists/trixie/main/source/Sources", SOURCES.encode())
    error = asked_of(source, monkeypatch)
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)


def test_an_archive_without_the_release_is_no_network_fault(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    error = asked_of(source, monkeypatch)
    assert (error.error_class, error.exit_code) == (ErrorClass.PLATFORM, 1)
    assert "not there" in str(error)


def test_an_archive_that_fails_is_a_network_fault(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_folder, "RETRIES", 0)
    source.faults.set("/", Fault(drop=True))
    error = asked_of(source, monkeypatch)
    assert (error.error_class, error.retryable, error.exit_code) == (ErrorClass.NETWORK, True, 2)


def test_a_row_is_read_back_as_the_pin_that_it_is(build_cache: Path) -> None:
    stanza = SOURCES.replace("4.1-2\nBuild", "4.1~rc1-2\nBuild")
    (found,) = parse_stanza(stanza, "trixie", "source", "http://mirror.example/debian/")
    name, pin = row_of(found)
    text = yaml_of({name: pin.model_dump(mode="json", exclude_defaults=True)})
    assert all(line.startswith("  ") for line in text.splitlines())
    assert "mirror.example" not in text
    (read,) = yaml.safe_load(f"sources:\n{text}")["sources"].items()
    assert read[0] == "x265-4.1-rc1"
    assert SourcePin.model_validate(read[1]) == pin
    assert not pin.verified


def test_a_version_that_looks_like_a_number_stays_text() -> None:
    (found,) = parse_stanza(SOURCES, "trixie", "source", "")
    name, pin = row_of(found)
    row = yaml.safe_load(yaml_of({name: pin.model_dump(mode="json", exclude_defaults=True)}))
    assert row[name]["version"] == "4.1"
