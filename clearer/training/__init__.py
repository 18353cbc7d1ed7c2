"""Training of one network: the loop, its step, losses, optimizers, processes."""
