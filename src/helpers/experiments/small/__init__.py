"""What small models take over that are made from a larger one before, or after, it was taught."""
