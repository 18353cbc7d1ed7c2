"""Training pictures: sets, downloads, splits, pairs, and the patches cut from them."""
