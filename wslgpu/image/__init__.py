"""Golden images: a node's file system as a .wsl file, made, judged and shown."""
