"""From a frozen network to files that run without Python."""
