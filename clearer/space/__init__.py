"""Which networks there are to choose from, as plain data: the search space, its shapes."""
