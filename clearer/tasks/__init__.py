"""The degradations that networks undo: noise, JPEG, rain; how to degrade pictures for training."""
