"""The benchmark: this machine, its ceiling, and the alternatives."""
