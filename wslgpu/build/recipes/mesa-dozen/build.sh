#!/bin/sh
# Mesa's Dozen (Vulkan over Direct3D 12) and spirv_to_dxil; with options its OpenGL and VA-API drivers over Direct3D 12.
# See wslgpu/build/recipe.py for what is around this script.
set -eu

work=/build/mesa
installed=/build/installed # what Mesa installs; /out gets what a node needs of it
export PYTHONPATH=/sources/meson PYTHONDONTWRITEBYTECODE=1
export PKG_CONFIG_PATH=/build/pkgconfig
# Meson names sources relative to its folder; without this their names would stand in messages of the driver
paths=-ffile-prefix-map=../../sources/mesa/=
CFLAGS="${CFLAGS:-} $paths" CXXFLAGS="${CXXFLAGS:-} $paths" LDFLAGS="${LDFLAGS:-} -Wl,-z,relro,-z,now,-z,noexecstack"
export CFLAGS CXXFLAGS LDFLAGS

meson() {
    python3 -m mesonbuild.mesonmain "$@"
}

# The base has these older than Mesa wants them. They come as a development package of a newer release, or as upstream's
# archive, which is made ready first.
dependency() { # ROLE FILE.pc [OPTION OF MESON]...
    role=$1 file=$2
    shift 2
    tree=/sources/$role
    if [ -e "$tree/meson.build" ]; then
        meson setup "/build/$role" "$tree" --prefix="/build/dependencies/$role" --libdir=lib --buildtype=release "$@"
        meson install -C "/build/$role" --quiet
        tree=/build/dependencies/$role
    elif [ -e "$tree/usr" ]; then
        tree=$tree/usr
    fi
    found=$(find "$tree" -name "$file" | head -n 1)
    [ -n "$found" ] || {
        echo "build.sh: $tree has no $file" >&2
        return 1
    }
    sed "s|^prefix=.*|prefix=$tree|" "$found" >"/build/pkgconfig/$file"
}

configure() {
    mkdir -p /build/pkgconfig
    dependency directx-headers DirectX-Headers.pc -Dbuild-test=false
    dependency wayland-protocols wayland-protocols.pc -Dtests=false
    # nothing is found by itself: what the root has may not decide what is built
    set -- -Dauto_features=disabled -Dbuildtype=release -Db_ndebug=true -Dplatforms=x11,wayland \
        -Dvulkan-drivers=microsoft-experimental -Dspirv-to-dxil=true -Dzstd=enabled -Dexpat=enabled -Dxmlconfig=enabled \
        -Dshader-cache=enabled -Dallow-kcmp=enabled -Dvideo-codecs=
    # softpipe is what is left where there is no adapter; llvmpipe would bring LLVM with it
    if [ "$OPTION_OPENGL" = yes ] || [ "$OPTION_VIDEO" = yes ]; then
        set -- "$@" -Dgallium-drivers=d3d12,softpipe
    else
        set -- "$@" -Dgallium-drivers=
    fi
    if [ "$OPTION_OPENGL" = yes ]; then
        set -- "$@" -Dopengl=true -Dgles2=enabled -Degl=enabled -Dglx=dri -Dglvnd=enabled -Dgallium-d3d12-graphics=enabled
        # an option of Mesa 25.0 and before, always on afterwards
        if grep -q "'shared-glapi'" /sources/mesa/meson*options*; then
            set -- "$@" -Dshared-glapi=enabled
        fi
    else
        set -- "$@" -Dopengl=false -Dglx=disabled
    fi
    if [ "$OPTION_VIDEO" = yes ]; then
        set -- "$@" -Dgallium-va=enabled -Dgallium-d3d12-video=enabled -Dvideo-codecs=all
    fi
    meson setup "$work" /sources/mesa --prefix="$PREFIX/current" --libdir=lib --sysconfdir=/etc --wrap-mode=nodownload "$@"
}

compile() {
    ninja -C "$work" -j"$JOBS"
}

# keep PATH...: take what Mesa installed, below the prefix; programs and libraries lose their symbols
keep() {
    for path; do
        mkdir -p "/out/$(dirname "$path")"
        cp -a "$installed$PREFIX/current/$path" "/out/$path"
        case $path in
        lib/* | bin/*) [ -L "/out/$path" ] || strip --strip-unneeded "/out/$path" ;;
        esac
    done
}

document() { # SOURCE NAME
    command install -D -m 644 "$1" "/out/share/doc/mesa-dozen/$2"
}

install() {
    manifest=dzn_icd.x86_64.json
    DESTDIR=$installed meson install -C "$work" --no-rebuild --quiet
    cd "$installed$PREFIX/current"
    keep lib/libvulkan_dzn.so lib/libspirv_to_dxil.so bin/spirv2dxil "share/vulkan/icd.d/$manifest" share/drirc.d/*
    # relative to the manifest, so that the tree may stand in any folder
    sed -i "s|\"library_path\": .*|\"library_path\": \"../../../lib/libvulkan_dzn.so\"|" \
        "/out/share/vulkan/icd.d/$manifest"
    if [ "$OPTION_OPENGL" = yes ]; then
        keep_opengl
    fi
    if [ "$OPTION_VIDEO" = yes ]; then
        keep_video
    fi
    sed -e "s|@PREFIX@|$PREFIX|g" -e "s|@MANIFEST@|$manifest|g" /recipe/env.sh >/out/env.sh
    chmod 644 /out/env.sh
    document /sources/mesa/docs/license.rst license.rst
    for licence in MIT BSL-1.0 SGI-B-2.0; do document "/sources/mesa/licenses/$licence" "$licence"; done
}

keep_opengl() {
    keep lib/libgallium-*.so lib/libGLX_mesa.so.0* lib/libEGL_mesa.so.0* share/glvnd/egl_vendor.d/50_mesa.json
}

keep_video() {
    keep lib/dri/*_drv_video.so # a link; its target lies beside it, or is libgallium
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
