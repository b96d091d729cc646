"""One small step, and many: notebook 07."""
