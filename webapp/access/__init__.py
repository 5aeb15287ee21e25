"""Who asks and what they may do: credentials, scopes, throttles, origins."""
