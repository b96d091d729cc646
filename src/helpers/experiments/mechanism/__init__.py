"""What carries the trait: notebook 09."""
