"""Size, compute and latency of networks; budgets, and the choice of a network within them."""
