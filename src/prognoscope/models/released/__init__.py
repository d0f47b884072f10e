"""Published checkpoints: one table of names a method, and what reads them."""
