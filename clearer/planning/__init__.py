"""From what a user asks for to a run that can begin: its settings, its folder, its time."""
