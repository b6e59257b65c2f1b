"""A genuine Kubernetes for a lab's node: its servers' programs, how they are set up, and how tests speak to them."""
