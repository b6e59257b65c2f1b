"""containerd's configuration as text."""

from __future__ import annotations

import pytest
import tomlkit

from wslgpu import containerd_config as config
from wslgpu.containerd_config import ConflictError, MirrorHost, Wanted, hosts_toml, render

GRPC = "io.containerd.grpc.v1.cri"
RUNTIME = "io.containerd.cri.v1.runtime"
IMAGES = "io.containerd.cri.v1.images"


def read(text: str) -> dict[str, object]:
    return tomlkit.parse(text).unwrap()


def at(text: str, *path: str) -> object:
    found: object = read(text)
    for key in path:
        assert isinstance(found, dict), path
        found = found.get(key)
    return found


@pytest.mark.parametrize(
    ("version", "schema", "cdi"),
    [("1.6.20~ds1", 2, False), ("1.7.24~ds1", 2, True), ("v2.0.0", 3, True), ("2.2.1", 3, True), ("v2.3.0", 4, True)],
)
def test_schema_and_cdi_follow_the_version(version: str, schema: int, cdi: bool) -> None:
    parsed = config.parse_version(version)
    assert parsed is not None
    assert (config.schema_of(parsed), config.has_cdi(parsed)) == (schema, cdi)


def test_no_version_is_none() -> None:
    assert config.parse_version("-") is None


@pytest.mark.parametrize("version", [(1, 6), (1, 7), (2, 1), (2, 3)])
@pytest.mark.parametrize("present", [None, config.DEBIAN_PACKAGED, "[oops"])
def test_rendering_twice_changes_nothing(version: tuple[int, int], present: str | None) -> None:
    wanted = Wanted(version, systemd_cgroup=True, restrict_oom_score_adj=True)
    once = render(present, wanted, debian_packaged=True)
    assert render(once, wanted, debian_packaged=True) == once


def test_schema_2() -> None:
    text = render(config.DEBIAN_PACKAGED, Wanted((1, 7), systemd_cgroup=True))
    assert at(text, "version") == 2
    assert at(text, "imports") == ["/etc/containerd/conf.d/*.toml"]
    assert at(text, "plugins", GRPC, "enable_cdi") is True
    assert at(text, "plugins", GRPC, "cdi_spec_dirs") == ["/etc/cdi", "/var/run/cdi"]
    assert at(text, "plugins", GRPC, "registry", "config_path") == "/etc/containerd/certs.d"
    runc = ("plugins", GRPC, "containerd", "runtimes", "runc")
    assert at(text, *runc, "runtime_type") == "io.containerd.runc.v2"
    assert at(text, *runc, "options", "SystemdCgroup") is True
    assert at(text, "plugins", GRPC, "cni", "bin_dir") == "/usr/lib/cni"
    assert "restrict_oom_score_adj" not in text


def test_1_6_has_no_cdi_and_loses_what_1_7_had() -> None:
    before = render(None, Wanted((1, 7), systemd_cgroup=True), debian_packaged=True)
    assert "cdi" not in render(before, Wanted((1, 6), systemd_cgroup=True))


@pytest.mark.parametrize(("version", "schema"), [((2, 1), 3), ((2, 3), 4)])
def test_schemas_3_and_4_split_the_section(version: tuple[int, int], schema: int) -> None:
    text = render(config.DEBIAN_PACKAGED, Wanted(version, systemd_cgroup=False, restrict_oom_score_adj=True))
    assert at(text, "version") == schema
    assert GRPC not in text
    runc = ("plugins", RUNTIME, "containerd", "runtimes", "runc")
    assert at(text, *runc, "options", "SystemdCgroup") is False
    assert at(text, "plugins", RUNTIME, "restrict_oom_score_adj") is True
    assert at(text, "plugins", IMAGES, "registry", "config_path") == "/etc/containerd/certs.d"


def test_cdi_switched_off_in_schema_3_is_on_again_by_default() -> None:
    present = f"version = 3\n[plugins.'{RUNTIME}']\nenable_cdi = false\ncdi_spec_dirs = ['/mine']\n"
    assert "cdi" not in render(present, Wanted((2, 1), systemd_cgroup=True))


def test_what_is_not_ours_stays_comments_included() -> None:
    present = (
        "# mine\nversion = 2\nimports = ['/etc/mine/*.toml']\noom_score = -5 # low\n"
        f"[plugins.'{GRPC}']\nsandbox_image = 'pause:9' # theirs\n"
    )
    text = render(present, Wanted((1, 7), systemd_cgroup=True))
    assert "# mine\n" in text
    assert "oom_score = -5 # low\n" in text
    assert "sandbox_image = 'pause:9' # theirs\n" in text
    assert at(text, "imports") == ["/etc/mine/*.toml", "/etc/containerd/conf.d/*.toml"]


def test_settings_that_are_off_again_go() -> None:
    before = render(None, Wanted((1, 7), systemd_cgroup=True, restrict_oom_score_adj=True))
    after = render(before, Wanted((1, 7), systemd_cgroup=False))
    assert "restrict_oom_score_adj" not in after
    assert "SystemdCgroup = false" in after


def test_dockers_file_gets_its_cri_plugin_back() -> None:
    text = render('version = 2\ndisabled_plugins = ["cri", "other"]\n', Wanted((1, 7), systemd_cgroup=True))
    assert at(text, "disabled_plugins") == ["other"]


def test_a_default_runtime_in_the_main_file_is_the_drop_ins_to_say() -> None:
    present = f"version = 2\n[plugins.'{GRPC}'.containerd]\ndefault_runtime_name = '%s'\n"
    assert "default_runtime_name" not in render(present % "nvidia", Wanted((1, 7), systemd_cgroup=True))
    assert "default_runtime_name = 'kata'" in render(present % "kata", Wanted((1, 7), systemd_cgroup=True))


def test_mirrors_of_the_old_kind_are_a_conflict() -> None:
    present = f"version = 2\n[plugins.'{GRPC}'.registry.mirrors.'docker.io']\nendpoint = ['https://m']\n"
    with pytest.raises(ConflictError, match=r"registry\.mirrors"):
        render(present, Wanted((1, 7), systemd_cgroup=True))


def test_a_mirror_only_pulls_and_the_registry_itself_comes_last() -> None:
    text = hosts_toml(
        "docker.io", [MirrorHost("https://m.invalid", ("pull",), "/c.crt"), MirrorHost("http://n", ("pull", "resolve"))]
    )
    assert text.startswith("# Made by wslgpu")
    assert read(text) == {
        "server": "https://registry-1.docker.io",
        "host": {
            "https://m.invalid": {"capabilities": ["pull"], "ca": "/c.crt"},
            "http://n": {"capabilities": ["pull", "resolve"]},
        },
    }


@pytest.mark.parametrize(("registry", "server"), [("quay.io", "https://quay.io"), ("_default", None)])
def test_server_of_other_registries(registry: str, server: str | None) -> None:
    assert read(hosts_toml(registry, [MirrorHost("https://m", ("pull",))])).get("server") == server
