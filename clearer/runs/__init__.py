"""The folder of a run: its settings, records, checkpoints, and who may write it."""
