"""Ways in which a provisioned node goes wrong, what names each, and whether apply puts it back.

A row is one thing that people, upgrades or Windows do to a node. ``wslgpu verify`` must name it by a check's id, and
``wslgpu apply`` either repairs it or says why it will not.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

NAMESPACE = "k8s.io"
TOOLKIT = "nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1"
SPEC = "/var/run/cdi/nvidia.yaml"
VIDEO_SPEC = "/etc/cdi/wslgpu-video.yaml"
REFRESH = "/usr/local/lib/wslgpu/refresh-cdi"
CONFIG = "/etc/containerd/config.toml"
DROP_IN = "/etc/containerd/conf.d/99-nvidia.toml"
SOURCES = "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"
KEYRING = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
HOSTS = "/etc/containerd/certs.d/docker.io/hosts.toml"
RUNTIME = "/usr/bin/nvidia-container-runtime"
IMAGE = "docker.io/nvidia/cuda:13.0.0"
DOZEN = "/opt/wslgpu/mesa-dozen/current"
FFMPEG = "/opt/wslgpu/ffmpeg/current"
SYSTEM_MANIFEST = "/etc/vulkan/icd.d/wslgpu_dzn_icd.x86_64.json"


@dataclass(frozen=True)
class Drift:
    """One row.

    :param id: permanent; faults.md's number stands in it where it is one of its rows
    :param component: whose suite names it, and whose task repairs it
    :param breaks: shell, run on the node; empty for what only the lab can do (see test_drifts.py)
    :param red: checks that must go red; others may, as consequences
    :param refusal: words of apply's error, where it will not repair
    :param by_hand: words of the red check's remedy, where apply leaves it alone on purpose
    :param mends: shell that puts it back where apply does not
    :param fast: one of the few that stand for all in `make test`
    """

    id: str
    component: str
    breaks: str
    red: frozenset[str]
    refusal: str = ""
    by_hand: str = ""
    mends: str = ""
    fast: bool = False
    suites: tuple[str, ...] = ()


def _red(*ids: str) -> frozenset[str]:
    return frozenset(ids)


def _wrapped(case: str) -> str:
    """Shell that puts another program in FFmpeg's place, which does ``case`` and hands the rest on."""
    text = f'#!/bin/sh\nPATH={FFMPEG}/bin:$PATH\ncase "$*" in {case} esac\nexec ffmpeg.real "$@"\n'
    quoted = shlex.quote(text)
    return f"cd {FFMPEG}/bin && mv ffmpeg ffmpeg.real && printf %s {quoted} >ffmpeg && chmod 755 ffmpeg"


WSL = (
    Drift(
        "wsl-conf-changed",
        "wsl",
        "sed -i 's/^systemd *=.*/systemd=false/' /etc/wsl.conf",
        _red("wsl.conf.keys"),
        fast=True,
    ),
    Drift("wsl-conf-key-removed", "wsl", "sed -i /^systemd/d /etc/wsl.conf", _red("wsl.conf.keys")),
    Drift("wsl-conf-gone", "wsl", "rm /etc/wsl.conf", _red("wsl.conf.keys", "wsl.conf.readable")),
    Drift("wsl-conf-of-another-user", "wsl", "chown daemon /etc/wsl.conf", _red("wsl.conf.readable")),
    Drift(
        "ld-wsl-conf-removed",
        "wsl",
        "rm /etc/ld.so.conf.d/ld.wsl.conf && ldconfig",
        _red("wsl.driver.linker", "wsl.driver.linker_configured"),
        by_hand="/etc/ld.so.conf.d/ld.wsl.conf",
        mends="echo /usr/lib/wsl/lib >/etc/ld.so.conf.d/ld.wsl.conf && ldconfig",
    ),
    Drift(
        "linux-driver-48",
        "preflight",
        "cp /usr/lib/wsl/lib/libcuda.so.1 /usr/lib/x86_64-linux-gnu/libcuda.so.1 && ldconfig",
        _red("wsl.driver.shadow"),
        refusal="libcuda",
        mends="rm /usr/lib/x86_64-linux-gnu/libcuda.so.1 && ldconfig",
        suites=("wsl",),
    ),
)

BASE = (
    Drift(
        "base-package-removed",
        "base",
        "dpkg --remove --force-depends kmod",
        _red("base.packages.installed"),
    ),
    Drift("data-directory-gone", "base", "rm -r /var/lib/wslgpu", _red("base.data.directory")),
    Drift("data-directory-writable", "base", "chmod 777 /var/lib/wslgpu", _red("base.data.directory"), fast=True),
    Drift(
        "proxy-secret-readable",
        "base",
        "mkdir -p /etc/wslgpu && echo https_proxy=http://u:p@192.0.2.1:3128 >/etc/wslgpu/proxy.env"
        " && chmod 644 /etc/wslgpu/proxy.env",
        _red("base.proxy.secret"),
    ),
)

CONTAINERD = (
    Drift("service-stopped", "containerd", "systemctl stop containerd", _red("containerd.service.active")),
    Drift("service-disabled", "containerd", "systemctl disable containerd", _red("containerd.service.enabled")),
    Drift(
        "package-removed",
        "containerd",
        "DEBIAN_FRONTEND=noninteractive apt-get -q -y remove containerd",
        _red("containerd.package.installed"),
    ),
    Drift(
        "config-not-restarted",
        "containerd",
        f"sed -i 's/SystemdCgroup = true/SystemdCgroup = false/' {CONFIG} {DROP_IN}",
        _red("containerd.running.config", "containerd.running.since"),
    ),
    Drift(
        "config-changed",
        "containerd",
        f"sed -i 's/SystemdCgroup = true/SystemdCgroup = false/' {CONFIG} {DROP_IN} && systemctl restart containerd",
        _red("containerd.running.systemd_cgroup"),
        fast=True,
    ),
    Drift("config-broken", "containerd", f"echo '[oops' >>{CONFIG}", _red("containerd.config.accepted")),
    Drift("imports-removed", "containerd", f"sed -i /^imports/d {CONFIG}", _red("containerd.config.imports")),
    Drift(
        "drop-in-of-another",
        "containerd",
        'printf \'version = 2\\n[plugins."io.containerd.grpc.v1.cri".containerd]\\ndefault_runtime_name = "runc"\\n\''
        " >/etc/containerd/conf.d/zz-mine.toml && systemctl restart containerd",
        _red("containerd.registry.path"),
        refusal="zz-mine.toml",
        mends="rm /etc/containerd/conf.d/zz-mine.toml && systemctl restart containerd",
    ),
    Drift(
        "mirror-resolves",
        "containerd",
        f"""sed -i 's/"pull"/"pull", "resolve"/' {HOSTS}""",
        _red("containerd.registry.mirrors"),
    ),
    Drift("mirror-gone", "containerd", f"rm {HOSTS}", _red("containerd.registry.mirrors")),
    Drift(
        "containerd-replaced",
        "containerd",
        "cp -p /usr/bin/containerd /usr/bin/.other && echo >>/usr/bin/.other && mv /usr/bin/.other /usr/bin/containerd",
        _red("containerd.package.intact", "containerd.running.binary"),
        by_hand="--reinstall",
        mends="DEBIAN_FRONTEND=noninteractive apt-get -q -y --reinstall install containerd"
        " && systemctl restart containerd",
    ),
)

TOOLKIT_DRIFTS = (
    Drift(
        "package-unheld",
        "container_toolkit",
        "apt-mark unhold nvidia-container-toolkit",
        _red("container_toolkit.packages.held"),
        fast=True,
    ),
    Drift(
        "package-of-another-version",
        "container_toolkit",
        "DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades --allow-change-held-packages install "
        + " ".join(f"{name}=1.19.1-1" for name in TOOLKIT.split()),
        _red("container_toolkit.packages.version"),
    ),
    Drift(
        "keyring-replaced",
        "container_toolkit",
        f"cat /usr/share/keyrings/debian-archive-keyring.gpg >{KEYRING}",
        _red("container_toolkit.keyring.fingerprint"),
    ),
    Drift(
        "keyring-writable", "container_toolkit", f"chmod 666 {KEYRING}", _red("container_toolkit.keyring.permissions")
    ),
    Drift(
        "sources-edited",
        "container_toolkit",
        f"sed -i /^Signed-By/d {SOURCES}",
        _red("container_toolkit.repository.source"),
    ),
    Drift(
        "repository-twice-13",
        "container_toolkit",
        f"sed -n 's/^URIs: /deb [trusted=yes] /p' {SOURCES} | sed 's,$, /,' >/etc/apt/sources.list.d/mine.list",
        _red("container_toolkit.repository.single"),
        refusal="named twice",
        mends="rm /etc/apt/sources.list.d/mine.list",
    ),
    Drift(
        "preferences-removed",
        "container_toolkit",
        "rm /etc/apt/preferences.d/wslgpu-container-toolkit",
        _red("container_toolkit.packages.pinned"),
    ),
    Drift(
        "runtime-mode-changed",
        "container_toolkit",
        """sed -i 's/^mode = .*/mode = "legacy"/' /etc/nvidia-container-runtime/config.toml""",
        _red("container_toolkit.config.mode"),
    ),
    Drift("drop-in-removed", "container_toolkit", f"rm {DROP_IN}", _red("container_toolkit.containerd.files")),
    Drift(
        "runtime-lost",
        "container_toolkit",
        f"rm {DROP_IN} && systemctl restart containerd",
        _red("container_toolkit.containerd.runtime", "container_toolkit.containerd.default"),
        fast=True,
    ),
    Drift(
        "default-runtime-changed",
        "container_toolkit",
        f"""sed -i 's/default_runtime_name = .*/default_runtime_name = "runc"/' {DROP_IN}"""
        " && systemctl restart containerd",
        _red("container_toolkit.containerd.default"),
    ),
    Drift(
        "runtime-replaced",
        "container_toolkit",
        f"dpkg-divert --quiet --add --rename --divert {RUNTIME}.real {RUNTIME}"
        f""" && printf '#!/bin/sh\\nexec runc "$@"\\n' >{RUNTIME} && chmod 755 {RUNTIME}""",
        _red("container_toolkit.packages.intact", "container_toolkit.container.devices"),
        by_hand="--reinstall",
        mends=f"rm {RUNTIME} && dpkg-divert --quiet --remove --rename {RUNTIME}",
    ),
    Drift(
        "refresh-disabled",
        "container_toolkit",
        "systemctl disable --now nvidia-cdi-refresh.path",
        _red("container_toolkit.refresh.enabled"),
    ),
    Drift("cdi-spec-gone", "container_toolkit", f"rm {SPEC}", _red("container_toolkit.cdi.present")),
    Drift(
        "cdi-spec-lacks-a-mount",
        "container_toolkit",
        f"sed -i '/hostPath:.*nvcubins.bin/,/rprivate/d' {SPEC}",
        _red("container_toolkit.cdi.mounts"),
    ),
    Drift(
        "cdi-spec-of-another-device",
        "container_toolkit",
        f"""sed -i 's/name: all/name: "0"/' {SPEC}""",
        _red("container_toolkit.cdi.device"),
    ),
    Drift(
        "cdi-kind-twice-30",
        "container_toolkit",
        f"mkdir -p /etc/cdi && cp {SPEC} /etc/cdi/mine.yaml",
        _red("container_toolkit.cdi.single"),
        refusal="claimed by more than one file",
        mends="rm /etc/cdi/mine.yaml",
    ),
    Drift(
        "cdi-spec-stale-28-29",
        "container_toolkit",
        "",
        _red("container_toolkit.cdi.paths", "container_toolkit.cdi.current"),
        mends="systemctl start wslgpu-cdi-refresh.path",
    ),
)

VIDEO = (
    Drift("video-spec-gone", "video_cdi", f"rm {VIDEO_SPEC}", _red("video_cdi.spec.present"), fast=True),
    Drift(
        "video-spec-of-another-kind",
        "video_cdi",
        f"sed -i 's,^kind: .*,kind: former.example/gpu,' {VIDEO_SPEC}",
        _red("video_cdi.spec.device", "video_cdi.container.libraries"),
    ),
    Drift(
        "video-spec-names-what-is-gone",
        "video_cdi",
        f"sed -i 's,path: /dev/dxg,path: /dev/dxg-gone,' {VIDEO_SPEC}",
        _red("video_cdi.spec.device", "video_cdi.spec.paths"),
    ),
    Drift(
        "video-spec-mounts-twice",
        "video_cdi",
        "file=$(ls /usr/lib/wsl/drivers/nv*/libnvcuvid.so.1) && printf '        mounts:\\n            - hostPath: %s\\n"
        f"              containerPath: %s\\n' $file $file >>{VIDEO_SPEC}",
        _red("video_cdi.spec.libraries"),
    ),
    Drift(
        "video-device-twice-30",
        "video_cdi",
        f"sed 1d {VIDEO_SPEC} >/etc/cdi/mine.yaml",
        _red("video_cdi.spec.single"),
        refusal="claimed by more than one file",
        mends="rm /etc/cdi/mine.yaml",
    ),
    Drift(
        "video-watch-disabled",
        "video_cdi",
        "systemctl disable --now wslgpu-cdi-refresh.path",
        _red("video_cdi.refresh.enabled"),
    ),
    Drift(
        "video-unit-edited",
        "video_cdi",
        "sed -i 's/ refresh refresh / refresh own /' /etc/systemd/system/wslgpu-cdi-refresh.service"
        " && systemctl daemon-reload",
        _red("video_cdi.refresh.unit"),
    ),
    Drift(
        "video-program-emptied",
        "video_cdi",
        f"printf '#!/bin/sh\\n' >{REFRESH}",
        _red("video_cdi.refresh.program"),
        fast=True,
    ),
    Drift("video-program-writable", "video_cdi", f"chmod 777 {REFRESH}", _red("video_cdi.refresh.program")),
)

IMAGES = (
    Drift(
        "image-gone",
        "cuda_images",
        f"digest=$(ctr -n {NAMESPACE} images ls | awk '$1 ~ /:13.0.0-runtime/ {{print $3}}');"
        f" ctr -n {NAMESPACE} images ls | awk -v d=$digest '$3 == d {{print $1}}'"
        f" | xargs ctr -n {NAMESPACE} images rm --sync",
        _red("cuda_images.runtime.held", "cuda_images.runtime.tag"),
        fast=True,
    ),
    Drift(
        "tag-moved",
        "cuda_images",
        f"ctr -n {NAMESPACE} images tag --force {IMAGE}-base-ubuntu24.04 {IMAGE}-devel-ubuntu24.04",
        _red("cuda_images.devel.tag"),
    ),
    Drift(
        "layer-lost",
        "cuda_images",
        f"ctr -n {NAMESPACE} content ls | awk '$2 ~ /MB/ {{print $1; exit}}' | xargs ctr -n {NAMESPACE} content rm",
        _red("cuda_images.base.complete"),
    ),
)

ARTIFACTS = (
    Drift(
        "dozen-library-removed",
        "mesa_dozen",
        f"rm {DOZEN}/lib/libvulkan_dzn.so",
        _red("mesa_dozen.files", "mesa_dozen.manifest", "mesa_dozen.loads"),
        fast=True,
    ),
    Drift(
        "dozen-library-swapped",
        "mesa_dozen",
        f"cp {DOZEN}/lib/libspirv_to_dxil.so {DOZEN}/lib/libvulkan_dzn.so",
        _red("mesa_dozen.files", "mesa_dozen.loads"),
    ),
    Drift(
        "dozen-manifest-wrong",
        "mesa_dozen",
        f"sed -i s/libvulkan_dzn/libvulkan_lvp/ {DOZEN}/share/vulkan/icd.d/dzn_icd.x86_64.json",
        _red("mesa_dozen.files", "mesa_dozen.manifest", "mesa_dozen.loads"),
    ),
    Drift(
        "dozen-manifest-of-the-distribution",
        "mesa_dozen",
        f"sed -i s,../../../lib/,/usr/lib/x86_64-linux-gnu/, {DOZEN}/share/vulkan/icd.d/dzn_icd.x86_64.json",
        _red("mesa_dozen.files", "mesa_dozen.manifest"),
    ),
    Drift("dozen-file-writable", "mesa_dozen", f"chmod 666 {DOZEN}/env.sh", _red("mesa_dozen.files")),
    Drift(
        "dozen-link-by-hand",
        "mesa_dozen",
        "cd /opt/wslgpu/mesa-dozen && cp -a $(readlink current) mine && ln -sfn mine current",
        _red("mesa_dozen.version"),
    ),
    Drift("dozen-gone", "mesa_dozen", "rm -r /opt/wslgpu/mesa-dozen", _red("mesa_dozen.installed")),
    Drift(
        "dozen-dependency-removed",
        "mesa_dozen",
        "dpkg --remove --force-depends libxshmfence1",
        _red("mesa_dozen.links", "mesa_dozen.loads"),
    ),
    Drift(
        "windows-library-missing",
        "mesa_dozen",
        "mv /usr/lib/wsl/lib/libd3d12.so /root/",
        _red("mesa_dozen.windows_libraries"),
        by_hand="wsl --update",
        mends="mv /root/libd3d12.so /usr/lib/wsl/lib/",
    ),
    Drift("system-manifest-gone", "mesa_dozen", f"rm {SYSTEM_MANIFEST}", _red("mesa_dozen.offer")),
    Drift(
        "system-manifest-edited",
        "mesa_dozen",
        f"sed -i s/current/old/ {SYSTEM_MANIFEST}",
        _red("mesa_dozen.offer"),
    ),
    Drift(
        "profile-edited",
        "mesa_dozen",
        "sed -i s/NVIDIA/Intel/ /etc/profile.d/wslgpu-mesa-dozen.sh",
        _red("mesa_dozen.offer"),
        fast=True,
    ),
    Drift(
        "env-edited",
        "mesa_dozen",
        f"sed -i s/VK_ADD_DRIVER_FILES/VK_NO_DRIVER_FILES/g {DOZEN}/env.sh",
        _red("mesa_dozen.files", "mesa_dozen.env"),
    ),
    Drift(
        "ffmpeg-swapped",
        "ffmpeg",
        f"cp /usr/bin/true {FFMPEG}/bin/ffmpeg",
        _red("ffmpeg.files", "ffmpeg.runs"),
        fast=True,
    ),
    Drift("ffmpeg-wrapped", "ffmpeg", _wrapped("nothing) ;;"), _red("ffmpeg.files")),
    Drift("ffprobe-removed", "ffmpeg", f"rm {FFMPEG}/bin/ffprobe", _red("ffmpeg.files", "ffmpeg.runs")),
    Drift(
        "ffmpeg-of-another-licence",
        "ffmpeg",
        _wrapped("*-buildconf*) echo '  --enable-nonfree' ;;"),
        _red("ffmpeg.files", "ffmpeg.licence"),
    ),
    Drift(
        "ffmpeg-of-fewer-parts",
        "ffmpeg",
        _wrapped("*coders | *filters | *hwaccels) ffmpeg.real \"$@\" | grep -vE 'nvenc|cuvid|cuda'; exit ;;"),
        _red("ffmpeg.files", *(f"ffmpeg.parts.{kind}" for kind in ("encoders", "decoders", "filters", "hwaccels"))),
    ),
    Drift(
        "ffmpeg-that-loses-pictures",
        "ffmpeg",
        _wrapped("*clip.mp4*md5*) echo MD5=0; exit ;;"),
        _red("ffmpeg.files", "ffmpeg.transcode"),
    ),
    Drift(
        "ffmpeg-that-boasts",
        "ffmpeg",
        _wrapped("*cuda*) exit 0 ;;"),
        _red("ffmpeg.files", "ffmpeg.gpu.encode", "ffmpeg.gpu.decode"),
    ),
    Drift(
        "ffmpeg-link-by-hand",
        "ffmpeg",
        "cd /opt/wslgpu/ffmpeg && cp -a $(readlink current) mine && ln -sfn mine current",
        _red("ffmpeg.version"),
    ),
    Drift("ffmpeg-gone", "ffmpeg", "rm /opt/wslgpu/ffmpeg/current", _red("ffmpeg.installed")),
)

KUBERNETES = (
    Drift(
        "forwarding-turned-off",
        "kubernetes",
        "sysctl -q -w net.ipv4.ip_forward=0",
        _red("kubernetes.kernel.forwarding"),
        fast=True,
    ),
    Drift(
        "bridge-rules-turned-off",
        "kubernetes",
        "sysctl -q -w net.bridge.bridge-nf-call-iptables=0",
        _red("kubernetes.kernel.bridge"),
    ),
    Drift(
        "sysctl-file-gone", "kubernetes", "rm /etc/sysctl.d/90-wslgpu-kubernetes.conf", _red("kubernetes.kernel.kept")
    ),
    Drift(
        "feature-file-gone",
        "kubernetes",
        "rm /etc/kubernetes/node-feature-discovery/features.d/wslgpu",
        _red("kubernetes.features.file"),
    ),
    Drift(
        "feature-file-writable",
        "kubernetes",
        "chmod 666 /etc/kubernetes/node-feature-discovery/features.d/wslgpu",
        _red("kubernetes.features.file"),
    ),
    Drift(
        "module-that-no-kernel-has",
        "kubernetes",
        "echo no_such_module >/etc/modules-load.d/wslgpu-kubernetes.conf",
        _red("kubernetes.kernel.modules"),
    ),
    Drift(
        "kubelet-of-another-cgroup-driver",
        "kubernetes",
        "mkdir -p /var/lib/kubelet && echo 'cgroupDriver: cgroupfs' >/var/lib/kubelet/config.yaml",
        _red("kubernetes.cgroup.driver"),
        by_hand="containerd_systemd_cgroup",
        mends="rm /var/lib/kubelet/config.yaml && rmdir /var/lib/kubelet",
    ),
)

DRIFTS = (*WSL, *BASE, *CONTAINERD, *TOOLKIT_DRIFTS, *VIDEO, *IMAGES, *ARTIFACTS, *KUBERNETES)
