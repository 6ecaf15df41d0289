"""Recommending by prompt: a stock chat model, local or behind a URL, in place of a tuned one."""
