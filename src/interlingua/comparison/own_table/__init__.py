"""A table of one's own: what its columns are, which rows are tested on, answers for new rows."""
