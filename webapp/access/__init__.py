"""Authentication and authorisation: credentials, scopes, throttles, origins."""
