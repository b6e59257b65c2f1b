#!/bin/sh
# wslgpu lab: gives the node its network and the shape of its persona, first thing in every boot.
# In WSL this is the work of /init and of the kernel; a rebooted node must look the same again.
# shellcheck disable=SC1091,SC2154  # node.env is written beside this file when the node is made
here=/opt/wslgpu-lab
. "$here/node.env"
failed=0
try() { "$@" || { echo "wslgpu lab: failed: $*" >&2; failed=1; }; }

# WSL names its interface eth0 and configures it before systemd starts
if command -v ip >/dev/null && [ -e /sys/class/net/host0 ]; then
  try ip link set lo up
  try ip link set host0 name eth0
  try ip address replace "$address" dev eth0
  try ip link set eth0 up
  try ip route replace default via "$gateway"
fi

# On a cgroup v1 host nspawn mounts the controllers read-only, and runc fails
if [ ! -e /sys/fs/cgroup/cgroup.procs ]; then
  for controller in /sys/fs/cgroup/*; do
    mountpoint -q "$controller" && try mount -o remount,rw,bind "$controller"
  done
fi

# A kubelet wants to set these, and a container may not: it finds files there that it may write, with what it wants
for file in "$here"/sysctl/*/* "$here"/sysctl/*/*/*; do
  key=/proc/sys/${file#"$here/sysctl/"}
  if [ -f "$file" ] && [ -e "$key" ]; then try mount --bind "$file" "$key"; fi
done

# A WSL VM has it, nspawn leaves it out, and some programs ask for it
[ -e /dev/fuse ] || try mknod -m 666 /dev/fuse c 10 229

if [ -n "$kernel_release" ]; then
  try mount --bind "$here/version" /proc/version
  try mount --bind "$here/osrelease" /proc/sys/kernel/osrelease
  try mkdir -p /run/WSL
  # an empty directory where the kernel has binfmt_misc; the real file system belongs to the host
  if [ -d /proc/sys/fs/binfmt_misc ]; then
    try mount -t tmpfs -o mode=755,size=64k wslgpu-lab /proc/sys/fs/binfmt_misc
    try cp "$here/WSLInterop" /proc/sys/fs/binfmt_misc/WSLInterop
    # systemd-binfmt of Debian 12 fails without these two
    try touch /proc/sys/fs/binfmt_misc/register /proc/sys/fs/binfmt_misc/status
  fi
  try mount --bind /mnt/c /mnt/c
fi

if [ -n "$driver" ]; then
  # The number is that of /dev/fuse: a device that can be opened, as WSL's can, and that a container may open only when
  # it was given it
  try mknod -m 666 /dev/dxg c 10 229
  try chmod 666 /dev/dxg
  try sh "$here/mount-driver.sh"
fi
exit "$failed"
