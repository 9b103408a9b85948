"""Tokens of frozen towers over media in known states of damage, kept on disk."""
