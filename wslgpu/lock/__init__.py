"""One reviewed file that names everything a profile's nodes are made of, with versions and hashes."""
