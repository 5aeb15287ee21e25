"""Whose jobs may be drawn beside whose: the tag tells apart what two users' names mean."""

from typing import Any

from tests.webapp.conftest import write_checkpoint
from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret
from webapp.accounts.api_tokens import TokenSpec
from webapp.accounts.audit import Actor
from webapp.accounts.roles import Role
from webapp.queues.joint_jobs import JOIN_TAG

ASKED = {"prompt": "a house", "steps": 1, "width": 64, "height": 64}


def test_users_jobs_join_on_the_checkpoints_of_all_and_never_on_ones_of_their_own(
    build: Any, sqlite_url: Secret
) -> None:
    house = build(accounts=True, database_url=sqlite_url)
    accounts, tags = house.app.extensions["easel.services"].accounts, list[str]()
    put = house.store.put
    house.store.put = lambda frame, *rest, **more: (
        tags.append(frame.tags[JOIN_TAG]) or put(frame, *rest, **more)
    )
    users = house.data_dir / "users"
    clients = []
    for name, role, scope in (
        ("ann", Role.MEMBER, AccessScope.USER), ("bob", Role.MEMBER, AccessScope.USER),
        ("root", Role.ADMIN, AccessScope.OWNER),
    ):  # fmt: skip
        accounts.add_user(Actor("test"), name, role, None)
        token, _ = accounts.add_token(Actor("test"), name, TokenSpec("test", (scope,)))
        clients.append(house.client(authorization=f"Bearer {token.reveal()}"))
        if role is Role.MEMBER:
            write_checkpoint(users / name / "models/Stable-diffusion/own.safetensors")

    def draw(client: Any, checkpoint: str) -> str:
        body = {**ASKED, "override_settings": {"sd_model_checkpoint": checkpoint}}
        assert client.post("/sdapi/v1/txt2img", json=body).status_code == 200
        return tags[-1]

    assert len({draw(client, "painter.safetensors") for client in clients}) == 1
    own = [draw(client, "own.safetensors") for client in clients[:2]]
    assert len(set(own)) == 2
    assert [name in tag for name, tag in zip(("ann", "bob"), own, strict=True)] == [True, True]
