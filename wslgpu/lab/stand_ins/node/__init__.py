"""What runs on a lab node in place of NVIDIA's container toolkit. Standard library only.

These modules are installed under /usr/lib/nvidia-stand-in/nvidia_stand_in by the packages that
``wslgpu.lab.stand_ins.toolkit`` builds. They must run on python3-minimal (no ctypes, no yaml) of every
supported distribution, so they import nothing of wslgpu and nothing outside of this folder.
"""

NOTICE = "stand-in of the wslgpu lab, not NVIDIA's program"
