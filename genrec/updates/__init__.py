"""Continual tuning: what came to the store becomes an adapter, which must prove itself."""
