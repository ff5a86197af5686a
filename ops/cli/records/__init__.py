"""Commands for recorded frames and results."""
