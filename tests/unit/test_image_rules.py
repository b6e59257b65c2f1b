"""Rules for .wsl files: an image that keeps all, and for each rule one that breaks it and nothing else."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.small_image import ELF, FOLDER, Row, SmallImage
from wslgpu.errors import ErrorClass
from wslgpu.image.cli import image as image_command
from wslgpu.image.contents import Contents, plain, read
from wslgpu.image.errors import ImageError
from wslgpu.image.rules import GUIDE, OWN, RULES, VALIDATOR, Severity, judge
from wslgpu.image.rules_units import DISCOURAGED

Change = Callable[[SmallImage], object]
DISTRIBUTION = "etc/wsl-distribution.conf"


SOMETHING = Row(b"x")


def adds(name: str, row: Row = SOMETHING) -> Change:
    return lambda small: small.rows.__setitem__(name, row)


def drops(name: str) -> Change:
    return lambda small: small.rows.pop(name)


def edits(name: str, old: str, new: str) -> Change:
    return lambda small: small.edit(name, old, new)


def changes(name: str, **fields: object) -> Change:
    return lambda small: small.change(name, **fields)


def sets_terminal(row: Row, place: str = "/usr/lib/wsl/terminal.json") -> Change:
    def change(small: SmallImage) -> None:
        text = small.rows[DISTRIBUTION].data.decode() + f"\n[windowsterminal]\nProfileTemplate = {place}\n"
        small.change(DISTRIBUTION, data=text.encode())
        small.rows[place.lstrip("/")] = row

    return change


BREAKS: list[tuple[str, Change]] = [
    ("archive.members", lambda small: small.extra.append(("etc/passwd", small.rows["etc/passwd"]))),
    ("archive.members", adds("dev/null", Row(kind=tarfile.CHRTYPE))),
    ("archive.members", adds("usr/../../x")),
    ("distribution.file", drops(DISTRIBUTION)),
    ("distribution.mode", changes(DISTRIBUTION, mode=0o600)),
    ("distribution.mode", changes(DISTRIBUTION, gid=1000)),
    ("distribution.keys", edits(DISTRIBUTION, "[shortcut]", "[shortcut]\nenabled = true")),
    ("distribution.keys", changes(DISTRIBUTION, data=b"no section\n")),
    ("distribution.name", edits(DISTRIBUTION, "defaultName = small", "")),
    ("distribution.name", edits(DISTRIBUTION, "defaultName = small", "defaultName = a b")),
    ("distribution.uid", edits(DISTRIBUTION, "1000", "1001")),
    ("distribution.uid", edits("etc/passwd", "daemon:x:1:1", "daemon:x:1000:1")),
    ("oobe.command", drops("usr/libexec/wsl/oobe.sh")),
    ("oobe.command", changes("usr/libexec/wsl/oobe.sh", data=b"echo\n")),
    ("oobe.mode", changes("usr/libexec/wsl/oobe.sh", mode=0o744)),
    ("oobe.mode", changes("usr/libexec/wsl/oobe.sh", uid=1000)),
    ("icon.there", edits(DISTRIBUTION, "icon = /usr/share/wsl/wslgpu.ico", "")),
    ("icon.file", drops("usr/share/wsl/wslgpu.ico")),
    ("icon.file", changes("usr/share/wsl/wslgpu.ico", data=b"\x89PNG" + bytes(40))),
    ("icon.file", changes("usr/share/wsl/wslgpu.ico", mode=0o600)),
    ("icon.file", lambda small: small.change("usr/share/wsl/wslgpu.ico", data=b"\0\0\1\0\1\0" + bytes(1 << 20))),
    ("terminal.file", sets_terminal(Row(b"{"))),
    ("terminal.file", sets_terminal(Row(b"[]"))),
    ("terminal.file", sets_terminal(Row(b'{"profiles": []}', 0o600))),
    ("terminal.file", sets_terminal(Row(b"[" * 100_000))),
    ("terminal.place", sets_terminal(Row(b'{"profiles": []}'), "/usr/share/terminal.json")),
    ("wsl-conf.mode", changes("etc/wsl.conf", mode=0o640)),
    ("wsl-conf.keys", edits("etc/wsl.conf", "[boot]", "[bot]\nx=1\n[boot]")),
    ("wsl-conf.own", edits("etc/wsl.conf", "[boot]", "[network]\nhostname=a\n[boot]")),
    ("passwd.file", edits("etc/passwd", "daemon:x:1:1", "daemon:x:1")),
    ("passwd.file", edits("etc/passwd", "daemon:x:1:1", "daemon:x:0:0")),
    ("passwd.file", changes("etc/passwd", mode=0o666)),
    ("passwd.root", edits("etc/passwd", "root:x:0", "toor:x:0")),
    ("shadow.mode", changes("etc/shadow", mode=0o644)),
    ("shadow.mode", changes("etc/shadow", uid=7)),
    ("shadow.hashes", edits("etc/shadow", "root:*", "root:$y$j9T$abc")),
    ("shadow.hashes", edits("etc/shadow", "root:*", "root:!$6$abc")),
    ("shadow.hashes", edits("etc/shadow", "root:*", "root:")),
    ("init.program", drops("usr/sbin/init")),
    ("init.program", changes("usr/lib/systemd/systemd", mode=0o700)),
    ("init.program", changes("usr/lib/systemd/systemd", data=ELF.replace(b"\x3e\x00", b"\xb7\x00"))),
    ("shell.program", drops("usr/bin/bash")),
    ("shell.program", changes("usr/bin/dash", data=b"#!/bin/true\n")),
    ("shell.program", changes("usr/bin/sh", target="sh")),
    ("resolv-conf", adds("etc/resolv.conf", Row(target="/run/resolv.conf"))),
    ("kernel", adds("boot/vmlinuz-6.12")),
    ("kernel", adds("boot/initrd.img-6.12")),
    ("machine-id", drops("etc/machine-id")),
    ("machine-id", changes("etc/machine-id", data=b"0123\n")),
    ("machine-id", adds("var/lib/dbus/machine-id")),
    ("host-keys", adds("etc/ssh/ssh_host_rsa_key.pub")),
    ("secrets", adds("usr/share/x/.ssh/authorized_keys")),
    ("secrets", adds("root/.bash_history")),
    ("secrets", adds("etc/apt/auth.conf.d/wslgpu-proxy.conf")),
    ("secrets", adds("etc/ssl/private/ssl-cert-snakeoil.key")),
    ("secrets", adds("var/lib/rancher/k3s/server/token")),
    ("secrets", adds("etc/wslgpu/proxy.env", Row(b"https_proxy=http://ann:secret@proxy.example:3128\n", 0o600))),
    ("traces", adds("opt/wslgpu-lab", FOLDER)),
    ("traces", adds("etc/hostname")),
    ("traces", adds("var/log/dpkg.log")),
    ("traces", adds("home/ada", FOLDER)),
]
BREAKS += [("units.masked", drops(f"etc/systemd/{kind}/systemd-tmpfiles-setup.service")) for kind in ("system", "user")]
OTHERS = {"archive.name", "archive.format", "archive.root", "wsl-conf.file", "oobe.place", "icon.place"}
"""Rules whose cases have tests of their own below."""


def broken(contents: Contents) -> set[str]:
    return {entry.rule.id for entry in judge(contents)}


def test_an_image_that_keeps_every_rule(tmp_path: Path) -> None:
    contents = read(SmallImage.good().write(tmp_path / "small.wsl"))
    assert judge(contents) == []
    assert contents.format == "gzip"


@pytest.mark.parametrize(("rule", "change"), BREAKS, ids=[f"{rule}-{i}" for i, (rule, _) in enumerate(BREAKS)])
def test_a_rule_that_is_broken_and_no_other(tmp_path: Path, rule: str, change: Change) -> None:
    small = SmallImage.good()
    change(small)
    assert broken(read(small.write(tmp_path / "small.wsl"))) == {rule}


def test_every_rule_has_a_case() -> None:
    assert {rule.id for rule in RULES} == {rule for rule, _ in BREAKS} | OTHERS


@pytest.mark.parametrize("unit", DISCOURAGED)
def test_each_unit_that_disturbs_wsl_is_seen_where_it_is_on(tmp_path: Path, unit: str) -> None:
    small = SmallImage.good()
    small.rows.pop(f"etc/systemd/system/{unit}", None)
    small.rows[f"usr/lib/systemd/system/{unit}"] = Row(b"[Unit]\n")
    small.rows[f"etc/systemd/system/multi-user.target.wants/{unit}"] = Row(target=f"/usr/lib/systemd/system/{unit}")
    assert broken(read(small.write(tmp_path / "small.wsl"))) == {"units.masked"}
    small.edit("etc/wsl.conf", "true", "false")
    assert broken(read(small.write(tmp_path / "small.wsl"))) == set(), "without systemd nothing is started"


def test_where_the_first_runs_program_and_the_icon_lie(tmp_path: Path) -> None:
    small = SmallImage.good()
    small.edit(DISTRIBUTION, "/usr/libexec/wsl/oobe.sh", "/etc/oobe.sh")
    small.edit(DISTRIBUTION, "/usr/share/wsl/wslgpu.ico", "/etc/a.ico")
    small.rows["etc/oobe.sh"] = small.rows["usr/libexec/wsl/oobe.sh"]
    small.rows["etc/a.ico"] = small.rows["usr/share/wsl/wslgpu.ico"]
    assert broken(read(small.write(tmp_path / "small.wsl"))) == {"oobe.place", "icon.place"}


def test_an_image_without_wsl_conf_would_not_run_systemd(tmp_path: Path) -> None:
    small = SmallImage.good()
    del small.rows["etc/wsl.conf"]
    assert broken(read(small.write(tmp_path / "small.wsl"))) == {"wsl-conf.file"}


def test_a_folder_around_the_file_system(tmp_path: Path) -> None:
    found = broken(read(SmallImage.good().write(tmp_path / "small.wsl", prefix="rootfs/")))
    assert "archive.root" in found


def test_a_file_of_another_name_and_without_compression(tmp_path: Path) -> None:
    path = tmp_path / "small.tar"
    path.write_bytes(SmallImage.good().tar())
    assert broken(read(path)) == {"archive.name", "archive.format"}


@pytest.mark.parametrize("prefix", ["./", "/"])
def test_other_ways_to_write_names(tmp_path: Path, prefix: str) -> None:
    assert broken(read(SmallImage.good().write(tmp_path / "small.wsl", prefix=prefix))) == set()
    assert plain("./etc//x/") == plain("/etc/x") == "etc/x"


def test_links_that_go_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    small = SmallImage.good()
    small.rows["a"], small.rows["b"] = Row(target="/b"), Row(target="a")
    contents = read(small.write(tmp_path / "small.wsl"))
    assert contents.find("/a") is None
    assert contents.find("/sbin/../sbin/init") is not None


@pytest.mark.parametrize("cut", [10, 200, -12, -4])
def test_an_image_that_is_cut_short(tmp_path: Path, cut: int) -> None:
    path = SmallImage.good().write(tmp_path / "small.wsl")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ImageError) as caught:
        read(path)
    assert caught.value.error_class is ErrorClass.INTEGRITY


def test_one_byte_of_an_image_is_changed(tmp_path: Path) -> None:
    path = SmallImage.good().write(tmp_path / "small.wsl")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read(path)
    assert caught.value.exit_code == 1


LIES = [("mtime", "inf"), ("mtime", "nan"), ("size", "x"), ("size", "-9"), ("uid", "1e999")]


@pytest.mark.parametrize(("key", "value"), LIES)
def test_a_header_that_lies(tmp_path: Path, key: str, value: str) -> None:
    """Nothing but a finding or a refusal, whatever a number in it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("etc/x")
        info.pax_headers = {key: value}
        archive.addfile(info)
    path = tmp_path / "small.wsl"
    path.write_bytes(gzip.compress(buffer.getvalue()))
    with contextlib.suppress(ImageError):
        assert "passwd.file" in broken(read(path))


def test_an_image_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wslgpu.image.contents.KEPT_LIMIT_BYTES", 1 << 16)
    small = SmallImage.good()
    small.rows["etc/large"] = Row(bytes(1 << 17))
    with pytest.raises(ImageError, match="too many bytes"):
        read(small.write(tmp_path / "small.wsl"))


@pytest.mark.parametrize("manifest", [b"[1]", b'{"components": [1]}', b'{"components": {"base": 1}}', b"[" * 100_000])
def test_somebody_elses_manifest_is_shown_as_none(tmp_path: Path, manifest: bytes) -> None:
    small = SmallImage.good()
    small.rows["var/lib/wslgpu/manifest.json"] = Row(manifest)
    shown = CliRunner().invoke(image_command, ["show", str(small.write(tmp_path / "small.wsl"))])
    assert shown.exit_code == 0, shown.exception
    assert "components    none" in shown.output


def test_rules_say_where_they_come_from() -> None:
    assert all(rule.source in (GUIDE, VALIDATOR, OWN, f"{GUIDE}; {VALIDATOR}") for rule in RULES)
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_the_command_says_what_is_broken_and_ends_with_1(tmp_path: Path) -> None:
    small = SmallImage.good()
    small.change("etc/machine-id", data=b"0123\n")
    small.change("etc/wsl.conf", mode=0o640)
    path = small.write(tmp_path / "small.wsl")
    result = CliRunner().invoke(image_command, ["validate", str(path)])
    assert result.exit_code == 1
    assert "error    machine-id" in result.output
    assert "warning  wsl-conf.mode" in result.output
    document = json.loads(CliRunner().invoke(image_command, ["validate", "--json", str(path)]).output)
    assert [entry["rule"] for entry in document["broken"]] == ["machine-id", "wsl-conf.mode"]
    assert document["broken"][0]["severity"] == Severity.ERROR.value


def test_warnings_fail_only_where_that_is_asked_for(tmp_path: Path) -> None:
    small = SmallImage.good()
    small.change("etc/wsl.conf", mode=0o640)
    path = small.write(tmp_path / "small.wsl")
    assert CliRunner().invoke(image_command, ["validate", str(path)]).exit_code == 0
    assert CliRunner().invoke(image_command, ["validate", "--strict", str(path)]).exit_code == 1
    listed = CliRunner().invoke(image_command, ["validate", "--rules", str(path)]).output
    assert listed.count("\nkept") + listed.startswith("kept") == len(RULES) - 1


def test_a_digest_beside_the_image_is_compared(tmp_path: Path) -> None:
    path = SmallImage.good().write(tmp_path / "small.wsl")
    path.with_name("small.wsl.sha256").write_text(f"{'0' * 64}  small.wsl\n")
    result = CliRunner().invoke(image_command, ["validate", str(path)])
    assert isinstance(result.exception, ImageError)
    assert "of another build" in str(result.exception)
