"""The HTTP layer: routes, request and response schemas, security; all else is the service's."""
