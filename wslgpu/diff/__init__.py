"""What differs: a node from what was put there, a node from another, a node from itself at another time."""
