"""The book: numbers as words, staging, building, checking the pages."""
