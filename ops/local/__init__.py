"""`up`: the whole system of one machine as one process tree."""
