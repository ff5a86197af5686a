"""Deleting results and pictures by age."""
