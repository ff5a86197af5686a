"""`doctor`: checks of everything that the system depends on."""
