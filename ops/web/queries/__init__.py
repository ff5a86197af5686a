"""What the routes read, cached where many clients ask for it."""
