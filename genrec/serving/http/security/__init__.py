"""Who may ask, and how often: API keys and rate limits."""
