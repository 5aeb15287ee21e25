"""``create_app(services)``: Flask around the services, and nothing that outlives a request."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from filebrowser.shares.passwords import SharePasswords
from filebrowser.shares.store import ShareStore
from webapp import error_handlers, middleware, service_metrics
from webapp.access import auth
from webapp.access.login_throttle import LoginThrottle
from webapp.access.revoked_logins import LOGIN_SECONDS, RevokedLogins
from webapp.access.signed_urls import UrlSigner
from webapp.files import public_paths
from webapp.http.closing_response import ClosingFlask
from webapp.http.waiting_limit import WaitingLimit
from webapp.queues.job_limit import JobLimit
from webapp.routes import (
    controlnet,
    docs,
    events,
    extras,
    foreign_apis,
    generation,
    internal,
    interrogate,
    login,
    machine,
    metrics,
    model_cards,
    models,
    pages,
    plugins,
    poses,
    probes,
    progress,
    signed_links,
    styles,
    sysinfo,
    token_count,
    training,
    worker_commands,
)
from webapp.routes.files import (
    archives,
    dav,
    filebrowser_api,
    folders,
    jobs,
    live,
    operations,
    pictures,
    previews,
    public_shares,
    search,
    shares,
    text_files,
    uploads,
)
from webapp.routes.tasks import TaskRegistry
from webapp.settings.data_dir import known_data_paths
from webapp.settings.secret_files import session_key

if TYPE_CHECKING:
    from webapp.files.file_services import FileServices
    from webapp.services import Services

MAX_BODY_BYTES = 128 * 1024 * 1024
"""Bytes of a request body; a few large pictures in base64 fit, a memory's worth does not."""

MAX_EVENT_STREAMS = 48
"""Pages that may follow the events at once; each holds one of the web process's threads."""


def create_app(services: "Services", built_page: Path | None = None) -> Flask:
    """The WSGI app of these services. ``built_page`` holds the page's index.html."""
    config = services.config
    app = ClosingFlask("webapp", static_folder=None)
    secret = session_key(config.easel_dir)
    signer = UrlSigner(secret)
    metrics_registry = service_metrics.install(app, services)
    app.config.update(
        SECRET_KEY=secret,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.tls_certfile is not None,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=LOGIN_SECONDS),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.compact = True  # type: ignore[attr-defined]
    app.extensions["easel.services"] = services
    app.extensions["easel.tasks"] = TaskRegistry()
    app.extensions["easel.jobs"] = JobLimit(
        config.max_queued_jobs, config.easel_dir, config.upload_spare
    )
    app.extensions["easel.waiting"] = WaitingLimit(config.max_waiting_requests)
    middleware.install(app, config)
    public_paths.install(app, config)
    throttle, revoked = LoginThrottle(), RevokedLogins(config.easel_dir / "ended_logins")
    auth.install(app, services.credentials, throttle, revoked, config.origins, signer)
    error_handlers.install(app)
    add_routes(app, services, built_page or pages.default_build())
    app.register_blueprint(login.blueprint(throttle))
    app.register_blueprint(signed_links.blueprint(signer))
    app.register_blueprint(metrics.blueprint(metrics_registry))
    path_middleware = middleware.PathMiddleware(
        app.wsgi_app, config.root_path, known_data_paths(config)
    )
    app.wsgi_app = path_middleware  # type: ignore[method-assign]
    return app


def add_routes(app: Flask, services: "Services", built_page: Path) -> None:
    """Every route; ``--nowebui`` leaves out the page, not its API."""
    app.register_blueprint(probes.probes)
    app.register_blueprint(generation.generation)
    app.register_blueprint(progress.sdapi)
    app.register_blueprint(models.models)
    app.register_blueprint(controlnet.controlnet)
    app.register_blueprint(poses.poses)
    app.register_blueprint(model_cards.model_cards)
    app.register_blueprint(internal.internal)
    app.register_blueprint(token_count.blueprint(token_count.PromptTokenizer()))
    app.register_blueprint(styles.styles)
    app.register_blueprint(docs.docs)
    app.register_blueprint(extras.extras)
    app.register_blueprint(pictures.files)
    if services.filing is not None:
        add_files(app, services, services.filing)
    app.register_blueprint(machine.machine)
    app.register_blueprint(sysinfo.blueprint())
    app.register_blueprint(worker_commands.worker_commands)
    app.register_blueprint(plugins.plugins)
    app.register_blueprint(interrogate.interrogation)
    app.register_blueprint(training.training)
    app.register_blueprint(foreign_apis.foreign_apis)
    if services.config.api_server_stop:
        app.register_blueprint(machine.server_stop_blueprint())
    app.register_blueprint(events.blueprint(MAX_EVENT_STREAMS))
    if services.config.web_ui:
        app.register_blueprint(pages.blueprint(built_page))


def add_files(app: Flask, services: "Services", file_services: "FileServices") -> None:
    """The file browser (``--filebrowser``)."""
    app.register_blueprint(folders.blueprint(file_services))
    app.register_blueprint(operations.blueprint(file_services))
    app.register_blueprint(jobs.blueprint(file_services))
    app.register_blueprint(text_files.blueprint(file_services))
    app.extensions[archives.LISTINGS_KEY] = archives.CallerLimit(services.config.max_listings)
    zips = archives.CallerLimit(archives.MAX_ARCHIVES)
    app.register_blueprint(archives.blueprint(zips))
    app.register_blueprint(live.blueprint(file_services, MAX_EVENT_STREAMS))
    app.register_blueprint(previews.blueprint(file_services))
    app.register_blueprint(search.blueprint(file_services))
    app.register_blueprint(filebrowser_api.blueprint(zips))
    app.register_blueprint(uploads.blueprint(file_services.uploads))
    app.register_blueprint(
        dav.blueprint(
            services.config.root_path,
            file_services.uploads,
            file_services.tell,
            file_services.reserved_space.release,
        )
    )
    add_shares(app, services, zips)


def add_shares(app: Flask, services: "Services", zips: archives.CallerLimit) -> None:
    """Links for people without a credential, and what they lead to."""
    store, passwords = ShareStore(services.config.easel_dir / "shares.db"), SharePasswords()
    app.register_blueprint(shares.blueprint(store, passwords))
    app.register_blueprint(public_shares.blueprint(store, passwords, LoginThrottle(), zips))
