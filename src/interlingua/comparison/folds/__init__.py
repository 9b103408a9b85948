"""The divisions of a task: made, checked, and named after their data."""
