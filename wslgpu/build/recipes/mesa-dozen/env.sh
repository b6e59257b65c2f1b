# shellcheck shell=sh
# Makes Dozen known to this shell and what it starts:
#
#     . @PREFIX@/current/env.sh
#
# Other Vulkan drivers stay. For Dozen alone, so that no program takes another driver by mistake:
#
#     WSLGPU_DOZEN_ONLY=1 . @PREFIX@/current/env.sh
#
# What is set already is not changed, but for lists, which get one entry more.

if [ -e "@PREFIX@/current/share/vulkan/icd.d/@MANIFEST@" ]; then
    if [ "${WSLGPU_DOZEN_ONLY:-0}" = 1 ]; then
        # the loader takes this list and looks nowhere else; the second is the name that old loaders know it by
        VK_DRIVER_FILES=@PREFIX@/current/share/vulkan/icd.d/@MANIFEST@
        VK_ICD_FILENAMES=$VK_DRIVER_FILES
        export VK_DRIVER_FILES VK_ICD_FILENAMES
    else
        case ":${VK_ADD_DRIVER_FILES:-}:" in
        *":@PREFIX@/current/share/vulkan/icd.d/@MANIFEST@:"*) ;;
        *)
            VK_ADD_DRIVER_FILES=@PREFIX@/current/share/vulkan/icd.d/@MANIFEST@${VK_ADD_DRIVER_FILES:+:$VK_ADD_DRIVER_FILES}
            export VK_ADD_DRIVER_FILES
            ;;
        esac
    fi

    # Direct3D 12 has an adapter for each graphics processor and takes the first; the name is part of the adapter's
    MESA_D3D12_DEFAULT_ADAPTER_NAME=${MESA_D3D12_DEFAULT_ADAPTER_NAME:-NVIDIA}
    export MESA_D3D12_DEFAULT_ADAPTER_NAME

    # libd3d12.so and libdxcore.so come from Windows. WSL names their folder to ld.so itself, unless wsl.conf forbids it
    # ([automount] ldconfig=false).
    if [ -e /usr/lib/wsl/lib/libd3d12.so ] && ! /sbin/ldconfig -p 2>/dev/null | grep -q /usr/lib/wsl/lib/libd3d12.so; then
        case ":${LD_LIBRARY_PATH:-}:" in
        *:/usr/lib/wsl/lib:*) ;;
        *)
            LD_LIBRARY_PATH=/usr/lib/wsl/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
            export LD_LIBRARY_PATH
            ;;
        esac
    fi

    # OpenGL, where the artifact was built with it: libglvnd asks this vendor for it. Where there is no adapter the
    # distribution's own OpenGL is better than ours without one, and stays.
    if [ -e "@PREFIX@/current/lib/libGLX_mesa.so.0" ] && [ -e /dev/dxg ]; then
        case ":${LD_LIBRARY_PATH:-}:" in
        *":@PREFIX@/current/lib:"*) ;;
        *)
            LD_LIBRARY_PATH=@PREFIX@/current/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
            export LD_LIBRARY_PATH
            ;;
        esac
        __GLX_VENDOR_LIBRARY_NAME=${__GLX_VENDOR_LIBRARY_NAME:-mesa}
        __EGL_VENDOR_LIBRARY_FILENAMES=@PREFIX@/current/share/glvnd/egl_vendor.d/50_mesa.json
        GALLIUM_DRIVER=${GALLIUM_DRIVER:-d3d12}
        export __GLX_VENDOR_LIBRARY_NAME __EGL_VENDOR_LIBRARY_FILENAMES GALLIUM_DRIVER
    fi

    # VA-API, where the artifact was built with it
    if [ -e "@PREFIX@/current/lib/dri/d3d12_drv_video.so" ] && [ -e /dev/dxg ]; then
        LIBVA_DRIVERS_PATH=${LIBVA_DRIVERS_PATH:-@PREFIX@/current/lib/dri}
        LIBVA_DRIVER_NAME=${LIBVA_DRIVER_NAME:-d3d12}
        export LIBVA_DRIVERS_PATH LIBVA_DRIVER_NAME
    fi
fi
