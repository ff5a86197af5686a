"""Verbs about frames and results on record."""
