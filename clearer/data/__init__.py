"""Pictures to learn from: sets, downloads, splits, pairs, and the patches cut from them."""
