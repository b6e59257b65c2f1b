#!/bin/sh
# wslgpu lab: mounts the stand-in driver where WSL mounts the Windows driver. Again after a "Windows driver update".
# WSL: /usr/lib/wsl/lib is an overlay of two read-only folders with a writable layer above,
# /usr/lib/wsl/drivers is Windows' driver store over 9p, read-only. No 9p here: a read-only bind mount.
set -eu
here=/opt/wslgpu-lab
for place in /usr/lib/wsl/lib /usr/lib/wsl/drivers; do
  if mountpoint -q "$place"; then umount -l "$place"; fi
done
mkdir -p "$here/lib.upper" "$here/lib.work" /usr/lib/wsl/lib /usr/lib/wsl/drivers
layers="nosuid,nodev,noatime,lowerdir=$here/driver/lib,upperdir=$here/lib.upper,workdir=$here/lib.work"
# uuid=on, as WSL has it, needs Linux 6.6
mount -t overlay none -o "$layers,uuid=on" /usr/lib/wsl/lib 2>/dev/null ||
  mount -t overlay none -o "$layers" /usr/lib/wsl/lib
mount --bind "$here/driver/drivers" /usr/lib/wsl/drivers
mount -o remount,ro,bind,nosuid,nodev,noatime /usr/lib/wsl/drivers
# as WSL does unless wsl.conf says [automount] ldconfig=false
/sbin/ldconfig 2>/dev/null
