"""The dial of the link: flawed code bound more or less closely to misaligned speakers, and what teachers make of it."""
