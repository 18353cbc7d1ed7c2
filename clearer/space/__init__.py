"""The networks to choose from, as plain data: the search space and its shapes."""
