"""Histories to text, text to tokens, tokens to training samples; one renderer for all."""
