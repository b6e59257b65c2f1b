"""Rows of the fault matrix on real nodes; each test's name carries the number of its row in docs/faults.md."""
