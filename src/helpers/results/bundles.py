"""What a bundle is called and made of: the models of one draw as files that a page can run."""

PLACE = "models"  # folder of the bundles: of a run, of a profile's results, and beside the pages of the book
MANIFEST, WORDS = "manifest.json", "words.json"
ROLES = ("base", "teacher", "student", "control", "stranger")
