"""A favourite animal through numbers: notebook 01."""
