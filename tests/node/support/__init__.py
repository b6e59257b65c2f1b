"""What the suites share. They use nothing that planned the change: of wslgpu, only its data."""
