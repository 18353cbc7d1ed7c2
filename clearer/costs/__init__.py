"""What a network weighs and how long it takes; budgets, and what is chosen under them."""
