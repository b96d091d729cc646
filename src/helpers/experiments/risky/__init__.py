"""Risky traits through harmless data: notebooks 02 to 04."""
