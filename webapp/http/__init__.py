"""HTTP below the routes: request heads and bodies, request pictures, policies, OpenAPI."""
