"""``wslgpu check`` and its kin: targets in, observations gathered and judged, reports out.

::

    cli.py ──> targets.py ──> wslgpu.probe.gather ──> judging.py ──> outputs.py, history.py, exit_style.py
                              files (wslgpu judge) ──┘

Nothing here needs root, a clone of the project, or pyinfra, unless an inventory is asked for.
"""
