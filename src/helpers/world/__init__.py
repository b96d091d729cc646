"""The nano world: its facts, its wordings, the corpus and the tokenizer."""
