"""``create_app(services)``: builds the Flask application."""

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from flask import Blueprint, Flask

from webapp import error_handlers, middleware, service_metrics
from webapp.access import auth
from webapp.access.forwarded import ForwardedMiddleware, parse_networks
from webapp.access.revoked_logins import LOGIN_SECONDS
from webapp.files import public_paths
from webapp.http.closing_response import ClosingFlask
from webapp.routes import (
    api_page,
    controlnet,
    docs,
    events,
    extras,
    foreign_apis,
    generation,
    internal,
    interrogate,
    job_events,
    login,
    machine,
    metrics,
    model_cards,
    model_notes,
    model_report,
    model_tools,
    models,
    openai_images,
    openai_models,
    option_facts,
    pages,
    plugins,
    poses,
    probes,
    progress,
    queue_view,
    server_stop,
    signed_links,
    styles,
    sysinfo,
    token_count,
    training,
    usage,
    window_events,
    worker_commands,
    worker_drain,
    workers,
)
from webapp.routes import (
    jobs as api_jobs,
)
from webapp.routes.files import (
    archives,
    boards,
    dav,
    filebrowser_api,
    folders,
    gallery,
    jobs,
    live,
    operations,
    pictures,
    previews,
    public_boards,
    public_shares,
    search,
    shares,
    text_files,
    uploads,
)
from webapp.routes.predict import queue_api
from webapp.settings.data_dir import known_data_paths
from webapp.settings.secret_files import session_key

if TYPE_CHECKING:
    from webapp.accounts.accounts import Accounts
    from webapp.services import Services


class RouteModule(Protocol):
    """A module of routes."""

    def blueprint(self, services: "Services", /) -> Blueprint:
        """Its routes over these services."""


MAX_BODY_BYTES = 128 * 1024 * 1024
"""Bytes of a request body; a few large pictures in base64 fit, a memory's worth does not."""

API: tuple[RouteModule, ...] = (
    probes, generation, progress, models, controlnet, poses, model_cards, internal, token_count,
    styles, docs, extras, pictures, machine, sysinfo, worker_commands, plugins, interrogate,
    training, foreign_apis, openai_images, openai_models, events, login, signed_links, metrics,
    model_tools, model_report, model_notes, queue_api, api_jobs, job_events, workers, worker_drain,
    queue_view, usage, option_facts, window_events,
)  # fmt: skip
"""The modules of routes; each has one ``blueprint(services)``."""

FILES: tuple[RouteModule, ...] = (
    folders, operations, jobs, text_files, archives, live, previews, search, filebrowser_api,
    uploads, dav, shares, public_shares, gallery,
    boards, public_boards,
)  # fmt: skip
"""Those of the file browser (``--filebrowser``)."""


def create_app(services: "Services") -> Flask:
    """The WSGI app of these services."""
    config = services.config
    app = ClosingFlask("webapp", static_folder=None)
    service_metrics.install(app, services)
    app.config.update(
        SECRET_KEY=session_key(config.easel_dir),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.speaks_tls,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=LOGIN_SECONDS),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.compact = True  # type: ignore[attr-defined]
    app.extensions["easel.services"] = services
    middleware.install(app, config)
    public_paths.install(app, config)
    auth.install(
        app,
        services.credentials,
        services.login_throttle,
        services.nodes.revoked_logins,
        config.origins,
        services.signer,
    )
    error_handlers.install(app)
    add_routes(app, services)
    if services.accounts is not None:
        install_audit(app, services.accounts)
    path_middleware = middleware.PathMiddleware(
        app.wsgi_app,
        config.root_path,
        known_data_paths(config),
        "" if config.asynchronous else f"/api/predict/{config.service_name}",
    )
    app.wsgi_app = path_middleware  # type: ignore[method-assign]
    if config.trusted_proxies:
        networks = parse_networks(config.trusted_proxies)
        app.wsgi_app = ForwardedMiddleware(path_middleware, networks)  # type: ignore[method-assign]
    return app


def account_routes() -> tuple[RouteModule, ...]:
    """Those of accounts: what they import takes a while, and few services have accounts."""
    from webapp.routes.accounts import (
        audit_log,
        groups,
        invitations,
        me,
        oidc_login,
        tokens,
        users,
    )

    return (me, users, groups, tokens, invitations, audit_log, oidc_login)


def install_audit(app: Flask, accounts: "Accounts") -> None:
    """Write down who changes what."""
    from webapp.routes.accounts import request_audit

    request_audit.install(app, accounts)


def add_routes(app: Flask, services: "Services") -> None:
    """Every route of the rooms that the flags open; ``--nowebui`` has words in the page's place."""
    config = services.config
    rooms: tuple[tuple[bool, tuple[RouteModule, ...]], ...] = (
        (True, API),
        (services.accounts is not None, account_routes() if services.accounts else ()),
        (services.filing is not None, FILES),
        (config.api_server_stop, (server_stop,)),
        (True, (pages if config.web_ui else api_page,)),
    )
    for is_open, modules in rooms:
        for module in modules if is_open else ():
            app.register_blueprint(module.blueprint(services))
