"""What programs call, and commands too: one file a verb."""
