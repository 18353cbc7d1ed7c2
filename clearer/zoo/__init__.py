"""Networks that come with the package: their weights, cards, and how one is found."""
