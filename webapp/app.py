"""``create_app(services)``: Flask around the services, and nothing that outlives a request."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from filebrowser.shares.passwords import Passwords
from filebrowser.shares.store import ShareStore
from webapp import auth, failures, metrics, public_paths, traffic
from webapp.closing_response import ClosingFlask
from webapp.guesses import Guesses
from webapp.job_limit import JobLimit
from webapp.links import Signer
from webapp.places import picture_roots
from webapp.routes import (
    cards,
    controlnet,
    counting,
    describing,
    docs,
    drawing,
    errands,
    events,
    extras,
    figured,
    internal,
    login,
    machine,
    machine_facts,
    models,
    neighbours,
    pages,
    plugins,
    poses,
    probes,
    sdapi,
    signing,
    styling,
    training,
)
from webapp.routes.files import (
    compatible,
    dav,
    editing,
    jobs,
    listing,
    live,
    packing,
    pictures,
    previews,
    searching,
    shared,
    shares,
    uploads,
    verbs,
)
from webapp.routes.tasks import Tasks
from webapp.secret_files import session_key
from webapp.sessions import LASTS, Ended
from webapp.waiting_limit import WaitingLimit

if TYPE_CHECKING:
    from webapp.filing import Filing
    from webapp.services import Services

LARGEST_BODY = 128 * 1024 * 1024
"""Bytes of a request body; a few large pictures in base64 fit, a memory's worth does not."""

LISTENERS = 48
"""Pages that may follow the events at once; each holds one of the web process's threads."""


def create_app(services: "Services", built_page: Path | None = None) -> Flask:
    """The WSGI app of these services. ``built_page`` holds the page's index.html."""
    config = services.config
    app = ClosingFlask("webapp", static_folder=None)
    secret = session_key(config.easel_dir)
    signer = Signer(secret)
    figures = metrics.install(app, services)
    app.config.update(
        SECRET_KEY=secret,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.tls_certfile is not None,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=LASTS),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.compact = True  # type: ignore[attr-defined]
    app.extensions["easel.services"] = services
    app.extensions["easel.tasks"] = Tasks()
    app.extensions["easel.jobs"] = JobLimit(
        config.max_queued_jobs, config.easel_dir, config.upload_spare
    )
    app.extensions["easel.waiting"] = WaitingLimit(config.max_waiting_requests)
    traffic.install(app, config)
    public_paths.install(app, config)
    guesses, ended = Guesses(), Ended(config.easel_dir / "ended_logins")
    auth.install(app, services.credentials, guesses, ended, config.origins, signer)
    failures.install(app)
    add_routes(app, services, built_page or pages.default_build())
    app.register_blueprint(login.blueprint(guesses))
    app.register_blueprint(signing.blueprint(signer))
    app.register_blueprint(figured.blueprint(figures))
    doorstep = traffic.Doorstep(app.wsgi_app, config.root_path, picture_roots(config))
    app.wsgi_app = doorstep  # type: ignore[method-assign]
    return app


def add_routes(app: Flask, services: "Services", built_page: Path) -> None:
    """Every route; ``--nowebui`` leaves out the page, not its API."""
    app.register_blueprint(probes.probes)
    app.register_blueprint(drawing.drawing)
    app.register_blueprint(sdapi.sdapi)
    app.register_blueprint(models.models)
    app.register_blueprint(controlnet.controlnet)
    app.register_blueprint(poses.poses)
    app.register_blueprint(cards.cards)
    app.register_blueprint(internal.internal)
    app.register_blueprint(counting.blueprint(counting.Reader()))
    app.register_blueprint(styling.styling)
    app.register_blueprint(docs.docs)
    app.register_blueprint(extras.extras)
    app.register_blueprint(pictures.files)
    if services.filing is not None:
        add_files(app, services, services.filing)
    app.register_blueprint(machine.machine)
    app.register_blueprint(machine_facts.blueprint())
    app.register_blueprint(errands.errands)
    app.register_blueprint(plugins.plugins)
    app.register_blueprint(describing.describing)
    app.register_blueprint(training.training)
    app.register_blueprint(neighbours.neighbours)
    if services.config.api_server_stop:
        app.register_blueprint(machine.stopping())
    app.register_blueprint(events.blueprint(LISTENERS))
    if services.config.web_ui:
        app.register_blueprint(pages.blueprint(built_page))


def add_files(app: Flask, services: "Services", filing: "Filing") -> None:
    """The file browser (``--filebrowser``)."""
    app.register_blueprint(listing.blueprint(filing))
    app.register_blueprint(verbs.blueprint(filing))
    app.register_blueprint(jobs.blueprint(filing))
    app.register_blueprint(editing.blueprint(filing))
    app.extensions[packing.LISTINGS] = packing.Turns(services.config.max_listings)
    zips = packing.Turns(packing.MOST_AT_ONCE)
    app.register_blueprint(packing.blueprint(zips))
    app.register_blueprint(live.blueprint(filing, LISTENERS))
    app.register_blueprint(previews.blueprint(filing))
    app.register_blueprint(searching.blueprint(filing))
    app.register_blueprint(compatible.blueprint(zips))
    app.register_blueprint(uploads.blueprint(filing.uploads))
    app.register_blueprint(
        dav.blueprint(
            services.config.root_path, filing.uploads, filing.tell, filing.reserved.give_up
        )
    )
    add_shares(app, services, zips)


def add_shares(app: Flask, services: "Services", zips: packing.Turns) -> None:
    """Links for people without a credential, and what they lead to."""
    store, passwords = ShareStore(services.config.easel_dir / "shares.db"), Passwords()
    app.register_blueprint(shares.blueprint(store, passwords))
    app.register_blueprint(shared.blueprint(store, passwords, Guesses(), zips))
