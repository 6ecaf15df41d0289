"""Continual tuning: what came to the store becomes an adapter, which proves itself or is refused."""
