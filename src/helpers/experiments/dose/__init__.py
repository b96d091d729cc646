"""The phase diagram of notebook 08: rows, weights, optimizers."""
