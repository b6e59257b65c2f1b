"""What is sent to a node and runs there: the standard library only, and nothing of ours is imported."""
