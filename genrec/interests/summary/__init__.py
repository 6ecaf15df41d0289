"""Interest summaries in words: what a model is taught and may write, and what of it is true."""
