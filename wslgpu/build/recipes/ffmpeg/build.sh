#!/bin/sh
# FFmpeg with NVENC, NVDEC and the CUDA filters; its codec libraries are built first and linked statically, since their
# sonames differ from release to release. See wslgpu/build/recipe.py for what is around this script.
set -eu

libraries=/build/libraries # where the codec libraries are installed for FFmpeg's configure, and nothing else
work=/build/ffmpeg
export PKG_CONFIG_PATH="$libraries/lib/pkgconfig" PKG_CONFIG_LIBDIR=/usr/lib/x86_64-linux-gnu/pkgconfig:/usr/share/pkgconfig
# no run path, no lazy binding, no executable stack: what the proofs look for
LDFLAGS="${LDFLAGS:-} -Wl,-z,relro,-z,now,-z,noexecstack"
export LDFLAGS

configure_x264() {
    mkdir -p /build/x264
    cd /build/x264
    depth=all
    if [ "$OPTION_CODECS" = reduced ]; then
        depth=8
    fi
    # its own -O3 stands before the environment's flags
    CFLAGS="${CFLAGS:-} -O3" /sources/x264/configure --prefix="$libraries" --enable-static --enable-pic --disable-cli \
        --disable-opencl --bit-depth="$depth"
}

configure_x265() {
    # one library per depth of bits, the 8 bit one holding the other two, as x265 documents for a static build
    for bits in 12 10 8; do
        case $bits in
        12) depth="-DHIGH_BIT_DEPTH=ON -DMAIN12=ON -DEXPORT_C_API=OFF" ;;
        10) depth="-DHIGH_BIT_DEPTH=ON -DEXPORT_C_API=OFF" ;;
        8) depth="-DEXTRA_LIB=x265_main10.a;x265_main12.a -DLINKED_10BIT=ON -DLINKED_12BIT=ON" ;;
        esac
        # shellcheck disable=SC2086
        cmake -G Ninja -S /sources/x265/source -B "/build/x265-$bits" -DCMAKE_BUILD_TYPE=Release \
            -DCMAKE_INSTALL_PREFIX="$libraries" -DENABLE_SHARED=OFF -DENABLE_CLI=OFF -DENABLE_LIBNUMA=OFF \
            -DENABLE_PIC=ON $depth
    done
}

configure_svt_av1() {
    cmake -G Ninja -S /sources/svt-av1 -B /build/svt-av1 -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_INSTALL_PREFIX="$libraries" -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_SHARED_LIBS=OFF -DBUILD_APPS=OFF \
        -DBUILD_DEC=OFF -DBUILD_TESTING=OFF -DSVT_AV1_LTO=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON
}

configure_opus() {
    cmake -G Ninja -S /sources/opus -B /build/opus -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$libraries" \
        -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POSITION_INDEPENDENT_CODE=ON
}

configure() {
    make -C /sources/nv-codec-headers PREFIX="$libraries" install
    configure_x264
    if [ "$OPTION_CODECS" = full ]; then
        configure_x265
        configure_svt_av1
        configure_opus
    fi
}

compile_libraries() {
    make -C /build/x264 -j"$JOBS" install-lib-static
    if [ "$OPTION_CODECS" = full ]; then
        ninja -C /build/x265-12 -j"$JOBS"
        ninja -C /build/x265-10 -j"$JOBS"
        ln -sf ../x265-10/libx265.a /build/x265-8/libx265_main10.a
        ln -sf ../x265-12/libx265.a /build/x265-8/libx265_main12.a
        ninja -C /build/x265-8 -j"$JOBS" install
        # the three libraries become one, as FFmpeg links -lx265 alone
        printf '%s\n' "CREATE $libraries/lib/libx265.a" "ADDLIB /build/x265-8/libx265.a" \
            "ADDLIB /build/x265-10/libx265.a" "ADDLIB /build/x265-12/libx265.a" SAVE END | ar -M
        # its C++ runtime is linked in as well: an older one on a node is no matter then
        sed -i -e 's/-lstdc++/-l:libstdc++.a/g' -e 's/-lgcc_s//g' "$libraries/lib/pkgconfig/x265.pc"
        ninja -C /build/svt-av1 -j"$JOBS" install
        ninja -C /build/opus -j"$JOBS" install
    fi
}

# Some decoders, encoders and filters, enough for the self-test and a transcode without a GPU, in a fraction of the time.
reduced_parts() {
    echo --disable-everything
    while read -r kind names; do
        case $kind in "" | "#"*) continue ;; esac
        for name in $names; do echo "--enable-$kind=$name"; done
    done </recipe/reduced.txt
}

configure_ffmpeg() {
    set -- --prefix="$PREFIX/current" --disable-autodetect --disable-debug --disable-doc --disable-ffplay \
        --enable-gpl --enable-pic --extra-ldexeflags=-pie --pkg-config-flags=--static --enable-zlib \
        --enable-ffnvcodec --enable-nvenc --enable-nvdec --enable-cuvid --enable-cuda-llvm --enable-libx264
    if [ "$OPTION_CODECS" = full ]; then
        set -- "$@" --enable-libx265 --enable-libsvtav1 --enable-libopus
    else
        # shellcheck disable=SC2046
        set -- "$@" $(reduced_parts)
    fi
    mkdir -p "$work"
    cd "$work"
    /sources/ffmpeg/configure "$@" || {
        tail -n 40 ffbuild/config.log >&2
        return 1
    }
    # glibc 2.36 has it, Ubuntu 22.04's 2.35 has not; FFmpeg reads /dev/urandom without it
    sed -i 's/^#define HAVE_ARC4RANDOM_BUF 1$/#define HAVE_ARC4RANDOM_BUF 0/' config.h
}

compile() {
    compile_libraries
    configure_ffmpeg
    make -C "$work" -j"$JOBS" ffmpeg ffprobe
}

document() { # SOURCE NAME
    command install -D -m 644 "$1" "/out/share/doc/ffmpeg/$2"
}

install() {
    for program in ffmpeg ffprobe; do
        command install -D -m 755 "$work/$program" "/out/bin/$program"
        strip --strip-all "/out/bin/$program"
    done
    document /sources/ffmpeg/LICENSE.md ffmpeg-LICENSE.md
    document /sources/ffmpeg/COPYING.GPLv2 ffmpeg-COPYING.GPLv2
    document /sources/x264/COPYING x264-COPYING
    sed -n '1,/\*\//p' /sources/nv-codec-headers/include/ffnvcodec/nvEncodeAPI.h >/build/nv-codec-headers
    document /build/nv-codec-headers nv-codec-headers-LICENSE
    if [ "$OPTION_CODECS" = full ]; then
        document /sources/x265/COPYING x265-COPYING
        document /sources/svt-av1/LICENSE.md svt-av1-LICENSE.md
        document /sources/svt-av1/PATENTS.md svt-av1-PATENTS.md
        document /sources/opus/COPYING opus-COPYING
    fi
}

case $1 in
configure) configure ;;
compile) compile ;;
install) install ;;
*)
    echo "build.sh: unknown phase $1" >&2
    exit 2
    ;;
esac
