"""What wslgpu put on a node goes away again: by the node's own manifest, and nothing that is somebody else's."""
