"""The stand-in toolkit on a lab node, with the distribution's own containerd and runc."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wslgpu.lab import Lab, Node, image
from wslgpu.lab.stand_ins import toolkit

pytestmark = pytest.mark.lab

SMI = "/usr/lib/wsl/lib/nvidia-smi"
QUERY = "--query-gpu=index,name,uuid,memory.total,driver_version --format=csv"
RESTART = "systemctl reset-failed nvidia-cdi-refresh.service; systemctl restart nvidia-cdi-refresh.service"
NEWEST, OLDEST = toolkit.VERSIONS[-1], toolkit.VERSIONS[0]


@pytest.fixture(scope="module")
def node(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """The node with containerd, an image, and every version's packages under /root/debs."""
    node = lab.node()
    for path in toolkit.build_debs(tmp_path_factory.mktemp("debs")):
        node.put(f"/root/debs/{path.name}", path.read_bytes())
    node.run(
        "apt-get -q update && apt-get -qy --no-install-recommends install containerd runc",
        timeout=300,
        check=True,
    )
    reference = f"{lab.state.base_url.removeprefix('http://')}/{image.REPOSITORY}:{image.ROLES['base']}"
    node.run(f"ctr image pull --plain-http {reference} && ctr image tag {reference} gpu:1", timeout=120, check=True)
    return node


@pytest.fixture
def newest(node: Node) -> Iterator[Node]:
    install(node, NEWEST)
    yield node
    node.run("nvidia-ctk config --in-place --set nvidia-container-runtime.mode=auto; rm -rf /etc/cdi", check=True)


def install(node: Node, version: str) -> None:
    node.run(
        f"cd /root/debs && apt-get -qy --allow-downgrades install ./*_{version}_amd64.deb",
        timeout=120,
        check=True,
    )


def container(request: str, command: str) -> str:
    """A shell command that runs *command* in a container through the nvidia runtime.

    --cpu-shares 0: ctr's default of 1024 needs the cpu controller, which a lab's cgroup v2 may lack.
    """
    return (
        f"ctr run --rm --cpu-shares 0 --runc-binary /usr/bin/nvidia-container-runtime {request} "
        f"gpu:1 t$$ sh -c '{command}'"
    )


def env(value: str) -> str:
    return f"--env NVIDIA_VISIBLE_DEVICES={value}"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_container_answers_as_the_host_does_and_one_without_request_has_nothing(node: Node, version: str) -> None:
    install(node, version)
    host = node.run(f"{SMI} {QUERY}", check=True).stdout
    assert "stand-in" in host
    assert node.run(container(env("all"), f"nvidia-smi {QUERY}"), check=True).stdout == host

    listing = "ls /dev/dxg /usr/bin/nvidia-smi /usr/lib/wsl /usr/lib; grep -c /usr/lib/wsl /proc/mounts"
    bare = node.run(container(env("void"), listing))
    assert "x86_64-linux-gnu" in bare.stdout, "the place itself is there"
    assert bare.stdout.splitlines()[-1] == "0"
    for path in ("/dev/dxg", "/usr/bin/nvidia-smi", "/usr/lib/wsl"):
        assert f"'{path}': No such file" in bare.stderr


def test_every_file_of_the_spec_is_in_the_container_and_its_loader_knows_them(newest: Node) -> None:
    spec = newest.run("nvidia-ctk cdi generate --mode=wsl", check=True).stdout
    files = [line.split()[-1] for line in spec.splitlines() if "containerPath:" in line]
    assert len(files) == 18
    seen = newest.run(container(env("all"), f"sha256sum {' '.join(files)}; ldconfig -p"), check=True).stdout
    assert newest.run(f"sha256sum {' '.join(files)}", check=True).stdout in seen
    store = files[-1].rpartition("/")[0]
    assert f"libcuda.so.1 (libc6,x86-64) => {store}/libcuda.so.1" in seen
    assert "libdxcore.so (libc6,x86-64) => /usr/lib/wsl/lib/libdxcore.so" in seen


def test_a_library_or_device_that_is_missing_shows(newest: Node) -> None:
    store = newest.run("dirname /usr/lib/wsl/drivers/nv*/nvidia-smi", check=True).stdout.strip()
    smi = f"--mount type=bind,src={store}/nvidia-smi,dst=/usr/bin/nvidia-smi,options=rbind:ro"
    whole = f"--mount type=bind,src={store},dst={store},options=rbind:ro"
    device = "--mount type=bind,src=/dev/dxg,dst=/dev/dxg,options=bind"

    alone = newest.run(container(f"{env('void')} {smi}", "nvidia-smi -L"))
    assert (alone.rc, "couldn't find libnvidia-ml.so" in alone.stdout) == (12, True)
    for mounts in (whole, f"{whole} {device}"):  # the second has the node, but not the cgroup's permission
        blocked = newest.run(container(f"{env('void')} {mounts}", f"{store}/nvidia-smi -L"))
        assert (blocked.rc, "GPU access blocked" in blocked.stdout) == (17, True)


def test_requests_by_mode(newest: Node) -> None:
    smi = "nvidia-smi -L"
    gpus = newest.run(f"{SMI} -L", check=True).stdout
    for value in ("0", "none"):  # jit-cdi on WSL knows "all" only, and does not honour "none"
        assert newest.run(container(env(value), smi), check=True).stdout == gpus

    newest.run("nvidia-ctk config --in-place --set nvidia-container-runtime.mode=cdi", check=True)
    assert newest.run(container(env("all"), smi), check=True).stdout == gpus
    refused = newest.run(container(env("0"), smi))
    assert not refused.ok
    assert "unresolvable CDI devices nvidia.com/gpu=0" in refused.stderr
    annotated = f"{env('void')} --annotation cdi.k8s.io/test=nvidia.com/gpu=all"
    assert newest.run(container(annotated, smi), check=True).stdout == gpus


def test_refresh_runs_on_wsl_from_1_19_1_only(node: Node) -> None:
    newer = [version for version in toolkit.VERSIONS if version.startswith(("1.19", "1.20"))]
    for version in (OLDEST, *newer, OLDEST):
        node.run("rm -rf /var/run/cdi", check=True)
        install(node, version)
        # systemd allows 5 starts in 10 seconds, and the package's own script has just started it too
        node.run(RESTART, check=True)
        made = node.run("test -s /var/run/cdi/nvidia.yaml").ok
        assert made is (version in newer), version
        units = node.run("systemctl is-enabled nvidia-cdi-refresh.path nvidia-cdi-refresh.service").stdout
        assert units.split() == ["enabled", "enabled"]


def test_refresh_knows_nothing_of_a_driver_update(newest: Node) -> None:
    before = newest.run("cat /var/run/cdi/nvidia.yaml", check=True).stdout
    newest.replace_driver_store("0f1e2d3c4b5a6978", "582.10")
    assert newest.run("sleep 1; cat /var/run/cdi/nvidia.yaml", check=True).stdout == before
    # The unit stays active when it is done: only a restart makes it run again.
    newest.run("systemctl start nvidia-cdi-refresh.service", check=True)
    assert newest.run("cat /var/run/cdi/nvidia.yaml", check=True).stdout == before
    newest.run(RESTART, check=True)
    after = newest.run("cat /var/run/cdi/nvidia.yaml", check=True).stdout
    assert "0f1e2d3c4b5a6978" in after
    assert "0f1e2d3c4b5a6978" not in before


def test_containerd_takes_the_configuration(newest: Node) -> None:
    newest.run("nvidia-ctk runtime configure --runtime=containerd --set-as-default --cdi.enabled", check=True)
    newest.run("systemctl restart containerd", check=True)
    dump = newest.run("containerd config dump", check=True).stdout
    assert 'default_runtime_name = "nvidia"' in dump
    assert 'BinaryName = "/usr/bin/nvidia-container-runtime"' in dump
    assert "enable_cdi = true" in dump


# A module that is frozen into the interpreter (ntpath) needs no file.
WITHOUT_FULL_LIBRARY = """
import _imp
import sys
missing = {name for name in open("/root/stdlib").read().split() if not _imp.is_frozen(name)}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in missing:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
for name in missing & set(sys.modules):
    del sys.modules[name]
del sys.argv[0]
exec(open(sys.argv[0]).read())
"""


def test_python3_minimal_is_enough(newest: Node) -> None:
    newest.put("/root/minimal.py", WITHOUT_FULL_LIBRARY)
    newest.run(
        "dpkg -L $(dpkg-query -W -f '${Package} ' 'libpython3*-stdlib') | sed -n 's,^/usr/lib/python3[.0-9]*/,,p' "
        "| sed -n 's,/__init__.py$,,; s,[.]py$,,; /[/.]/!p' >/root/stdlib; grep -qx ctypes /root/stdlib",
        check=True,
    )
    for program in toolkit.PROGRAMS:
        said = newest.run(f"python3 -ISB /root/minimal.py /{program} --version", check=True).stdout
        assert "stand-in" in said
    spec = newest.run("nvidia-ctk cdi generate", check=True).stdout
    assert newest.run("python3 -ISB /root/minimal.py /usr/bin/nvidia-ctk cdi generate", check=True).stdout == spec


def test_purging_leaves_no_program_and_no_unit(node: Node) -> None:
    install(node, NEWEST)
    node.run(f"apt-get -qy purge {' '.join(toolkit.PACKAGES)}", timeout=120, check=True)
    assert node.run("ls /usr/bin/nvidia-* /usr/lib/nvidia-stand-in").stdout == ""
    assert node.run("systemctl list-unit-files --no-legend 'nvidia*'").stdout == ""
