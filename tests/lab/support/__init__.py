"""What the tests of faults, interruptions and fleets share."""
