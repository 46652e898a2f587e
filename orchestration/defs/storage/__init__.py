"""Storage: the marts, and the files that are published from them."""
