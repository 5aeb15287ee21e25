"""``python -m webapp.api_document FILE`` writes what the page's types are made from.

That is ``/openapi.json`` of a service with every route that a flag brings, without plugins' routes,
error answers, defaults and the version: they differ between installations, or the page does not
read them.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from webapp.app import create_app
from webapp.http.openapi import build_document
from webapp.services import build_services
from webapp.settings.config import Config

EVERY_ROUTE: Mapping[str, Any] = MappingProxyType(
    {"api_server_stop": True, "accounts": True, "oidc_issuer": "https://id.example"}
)
"""Fields of the configuration that bring routes."""


def build_api_document() -> dict[str, Any]:
    """The document; the service is built over a folder that is removed again, and not served."""
    with TemporaryDirectory() as folder:
        services = build_services(Config(Path(folder), **EVERY_ROUTE))
        try:
            return reduce_document(build_document(create_app(services), "0"))
        finally:
            services.close()


def reduce_document(whole: dict[str, Any]) -> dict[str, Any]:
    """``whole`` without plugins' routes, answers other than 200, titles and defaults."""
    paths = {
        path: {method: reduce_operation(operation) for method, operation in methods.items()}
        for path, methods in whole["paths"].items()
        if not path.startswith("/plugins/")
    }
    schemas = {
        name: reduce_schema(schema) for name, schema in whole["components"]["schemas"].items()
    }
    return whole | {"paths": paths, "components": whole["components"] | {"schemas": schemas}}


def reduce_operation(operation: dict[str, Any]) -> dict[str, Any]:
    """``operation`` with the answer for 200 alone."""
    return operation | {"responses": {"200": operation["responses"]["200"]}}


def reduce_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A model's schema without the properties' titles and defaults: they say nothing of types."""
    properties = {
        name: {key: value for key, value in property.items() if key not in ("title", "default")}
        for name, property in schema.get("properties", {}).items()
    }
    return schema | ({"properties": properties} if properties else {})


if __name__ == "__main__":
    text = json.dumps(build_api_document(), indent=1, sort_keys=True)
    Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")
