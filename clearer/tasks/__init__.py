"""What a network undoes: noise, JPEG, rain; how pictures are degraded to train for it."""
