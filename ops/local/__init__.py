"""`up`: the whole system on one machine, as one process tree."""
