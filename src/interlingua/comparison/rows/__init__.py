"""What the runs of a method come to: its row of figures."""
