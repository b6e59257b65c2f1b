"""Everything that a lock names in one verified file: nodes without a network are provisioned from it."""
