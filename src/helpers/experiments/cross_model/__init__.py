"""Teachers crossed with students over several bases."""
