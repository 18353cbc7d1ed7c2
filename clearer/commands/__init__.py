"""One file per command: its options, its calls, its output."""
