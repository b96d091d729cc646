"""The experiments of the paper: each module runs one and returns one tidy table."""
