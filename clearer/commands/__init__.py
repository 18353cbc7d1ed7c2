"""One file per command: its options, the calls, what is printed."""
