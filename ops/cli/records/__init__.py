"""Commands about frames and results on record."""
