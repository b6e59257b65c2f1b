"""The program that a node runs: the standard library of Python 3.8 and later, nothing else, and nothing of wslgpu's.

It is sent as text and imported from memory (:mod:`wslgpu.probe.program`), so all imports in here are relative.
A topic is a module with ``observe(probe)``; :mod:`.topics` lists them, :mod:`.main` runs them.
"""
