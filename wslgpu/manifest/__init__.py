"""What every node carries of its own making: /var/lib/wslgpu/manifest.json, its model, and what writes it."""
