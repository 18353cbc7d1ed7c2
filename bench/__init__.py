"""Quality and time of networks, measured side by side."""
