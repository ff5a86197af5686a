"""The benchmark: this machine, its upper limit, and the usual alternatives."""
