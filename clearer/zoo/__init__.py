"""The networks that come with the package: weights, cards, and lookup."""
