"""Work: named random streams, files that are whole or absent, pieces of work that are done once."""
