"""Authentication, request checks, throttling of logins."""
