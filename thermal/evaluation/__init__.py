"""How well a detector tells faults from normal images."""
