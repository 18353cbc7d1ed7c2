"""From a user's request to a run that can start: its settings, its folder, its time."""
