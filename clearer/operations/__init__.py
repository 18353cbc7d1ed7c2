"""What a scale of a column can do: one file an operation, with all that is known of it."""
