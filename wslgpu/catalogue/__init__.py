"""What nodes can and cannot do: capabilities and workload rules as YAML, their schema and their loader.

``capabilities/*.yml`` and ``workloads/*.yml`` are the catalogue; :mod:`wslgpu.catalogue.model` is its schema,
:mod:`wslgpu.catalogue.load` reads it (a site's folder over it). Nothing here looks at a node.
"""
