"""A user's interests over time, as the model sees them, and what it expects next."""
