"""Figures of the book: functions from tidy tables to matplotlib figures, all in one house style."""
