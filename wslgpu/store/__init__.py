"""Where artifacts are kept: a folder on this machine, and a registry for teams."""
