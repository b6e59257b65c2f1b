#!/bin/sh
# The device plugin's stand-in and its fake kubelet. See wslgpu/build/recipe.py for what is around this script.
set -eu

case $1 in
compile)
    # Without modules an import is looked for below GOPATH/src, and that is what the vendor folder is. The plugin opens
    # the driver's libraries itself, as the genuine one does, and so needs cgo.
    mkdir /build/gopath
    ln -s /sources/kubernetes/vendor /build/gopath/src
    export GOPATH=/build/gopath GOCACHE=/build/cache GO111MODULE=off CGO_ENABLED=1 GOMAXPROCS="$JOBS"
    for pair in src:nvidia-device-plugin fake_kubelet:fake-kubelet; do
        cd "/recipe/${pair%%:*}"
        go build -trimpath -buildmode=pie \
            -ldflags "-s -w -buildid= -linkmode external -extldflags '-Wl,-z,relro,-z,now,--build-id=none'" \
            -o "/build/${pair#*:}" .
    done
    ;;
install)
    install -D -m 755 -t /out/bin /build/nvidia-device-plugin /build/fake-kubelet
    install -D -m 644 /sources/kubernetes/LICENSE /out/share/doc/stand-in-device-plugin/LICENSE
    ;;
*)
    echo "build.sh: unknown phase $1" >&2
    exit 2
    ;;
esac
