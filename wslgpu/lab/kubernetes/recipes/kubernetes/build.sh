#!/bin/sh
# kube-apiserver, kube-controller-manager, kube-scheduler and kubelet by Kubernetes' own makefile, static and stripped.
# See wslgpu/build/recipe.py for what is around this script.
set -eu

programs="kube-apiserver kube-controller-manager kube-scheduler kubelet"

case $1 in
compile)
    # The tree's makefile makes a GOPATH in its own _output; modules are off, as the vendor folder has everything.
    # It takes the version from what `git archive` wrote into the tree, and the date from SOURCE_DATE_EPOCH.
    what=
    for program in $programs; do
        what="$what cmd/$program"
    done
    # It also reads its tags out of GOFLAGS, and takes the whole of GOFLAGS for them where that names none.
    cd /sources/kubernetes
    CGO_ENABLED=0 GO111MODULE=off GOFLAGS="-trimpath -tags=selinux" GOMAXPROCS="$JOBS" \
        make WHAT="${what# }" KUBE_BUILD_PLATFORMS=linux/amd64
    ;;
install)
    for program in $programs; do
        install -D -m 755 "/sources/kubernetes/_output/local/bin/linux/amd64/$program" "/out/bin/$program"
    done
    install -D -m 644 /sources/kubernetes/LICENSE /out/share/doc/kubernetes/LICENSE
    ;;
*)
    echo "build.sh: unknown phase $1" >&2
    exit 2
    ;;
esac
