"""Simulators: worlds to act in, experts to learn from. Their packages are extras."""
