"""Who can see it: detectors of who wrote rows, each with what it must know, and the audit of one's own data."""
