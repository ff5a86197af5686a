"""The `thermalwatch` program, one module per command."""
