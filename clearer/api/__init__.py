"""Functions for programs and commands: one file per verb."""
