"""The search for an architecture: by gradient, or by a race between networks."""
