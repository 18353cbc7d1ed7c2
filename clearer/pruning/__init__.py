"""A trained network is cut to a budget."""
