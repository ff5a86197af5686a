"""Queries of the routes, cached where many clients send them."""
