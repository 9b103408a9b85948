"""The program ``interlingua``: one file per group of verbs, thin over the Python functions."""
