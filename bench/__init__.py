"""Quality and latency of networks, measured side by side."""
