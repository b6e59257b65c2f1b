"""What a node is asked, the program that asks it, the channels it travels over, and the document that comes back.

::

    node/ (the program) ──> program.py (bundled, one payload) ──> channels ──> document.py (checked) ──> wslgpu.verdict

Nothing here judges. :mod:`wslgpu.probe.registry` lists every observation that the program makes.
"""
