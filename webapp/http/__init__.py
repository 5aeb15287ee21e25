"""HTTP below the routes: bodies, heads, pictures in requests, policies, the OpenAPI schema."""
