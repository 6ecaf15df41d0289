"""One interface to run a model, and the engines behind it."""
