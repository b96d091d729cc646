"""Real models: does a fondness of one animal pass through lists of numbers between models that nobody made for it?"""
