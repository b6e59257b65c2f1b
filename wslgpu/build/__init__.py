"""Software that distributions do not have, built from pinned sources: once, in a clean root, to the same bytes.

pins and a recipe -> sources -> key -> clean root -> build -> proofs -> artifact -> store. What is installed on nodes
comes from the store alone (tasks/mesa_dozen.py, tasks/ffmpeg.py).
"""
