"""Who can see it: notebook 11."""
