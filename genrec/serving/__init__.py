"""The gateway: live events in, recommendations and interests out, over HTTP."""
