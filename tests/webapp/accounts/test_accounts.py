"""Accounts on SQLite and PostgreSQL: users, logins, tokens, invitations, the log."""

import csv
import io
import threading
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from webapp.access.credentials import Caller, Credentials, NarrowToken, PresentedCredential
from webapp.access.login_throttle import LoginThrottle
from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret
from webapp.accounts import api_tokens, audit, invitations, logins, users
from webapp.accounts.accounts import Accounts, open_accounts
from webapp.accounts.api_tokens import TokenSpec
from webapp.accounts.audit import Actor, AuditSearch
from webapp.accounts.credentials import AccountCredentials
from webapp.accounts.database import open_database
from webapp.accounts.errors import AccountsUnusable
from webapp.accounts.external import ExternalUser, external_user
from webapp.accounts.passwords import is_easily_guessed
from webapp.accounts.roles import Role
from webapp.accounts.schema import METADATA
from webapp.errors import Conflict, Forbidden, NothingThere, Refused, TooManyTries, WrongCredential

ROOT = Actor("root", "10.0.0.1", "request-1")
WORDS = Secret("five wet maps hum")
READ = TokenSpec("reader", (AccessScope.READ,))


def add(accounts: Accounts, name: str, role: Role = Role.MEMBER) -> users.User:
    return accounts.add_user(ROOT, name, role, WORDS)


def start_login(accounts: Accounts, user: users.User) -> Secret:
    return accounts.start_login(user, "10.0.0.2", "a browser")


def test_a_user_comes_in_with_its_password_alone(accounts: Accounts) -> None:
    ann = add(accounts, "ann")
    assert accounts.authenticate("ann", WORDS, "10.0.0.2") == ann
    for name, password in (("ann", "five wet maps hu"), ("bob", WORDS.reveal()), ("ann", "")):
        assert accounts.authenticate(name, Secret(password), "10.0.0.2") is None
    failed = audit.search(accounts.database, AuditSearch(action="login.fail"))
    assert [line.actor for line in failed] == ["ann", "bob", "ann"]


def test_unknown_names_and_users_without_password_cost_a_hash_too(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(accounts, "ann")
    accounts.add_user(ROOT, "proxied", Role.MEMBER, None)
    accounts.change_user(ROOT, "ann", disabled=True)
    asked: list[str] = []
    verify = accounts.passwords.hashes.verify_password
    monkeypatch.setattr(
        accounts.passwords.hashes, "verify_password",
        lambda encoded, password: asked.append(encoded) or verify(encoded, password),
    )  # fmt: skip
    for name in ("nobody", "proxied", "ann"):
        assert accounts.authenticate(name, WORDS, "10.0.0.2") is None
    assert asked == [accounts.passwords.decoy] * 3
    assert (
        accounts.passwords.decoy.split("$")[:4]
        == (accounts.passwords.hash_password(WORDS).split("$")[:4])
    )


@pytest.mark.parametrize("name", ["", "Ann", "-a", "a..b", ".a", "a.", "a/b", "ä", "a" * 33, "a b"])
def test_names_that_no_user_may_have(accounts: Accounts, name: str) -> None:
    with pytest.raises(Refused, match="name has 1 to 32"):
        add(accounts, name)


def test_names_that_are_taken(accounts: Accounts) -> None:
    add(accounts, "ann")
    add(accounts, "bob")
    accounts.remove_user(ROOT, "bob")
    for name in ("ann", "bob", "owner"):
        with pytest.raises(Conflict, match="is taken"):
            add(accounts, name)


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaa", "1234567890", "qwertyuiop1", "Password2026!", "annannann1",
     "x" * 1025, "abcdefghijkl", "0987654321", "Welcome1234", "iloveyou99!!"],
)  # fmt: skip
def test_passwords_that_are_refused(password: str) -> None:
    from webapp.accounts.passwords import check_password

    with pytest.raises(Refused) as refused:
        check_password(Secret(password), "ann")
    assert password not in refused.value.detail


def test_good_passwords_are_not_called_easy() -> None:
    for text in (
        "five wet maps hum",
        "correct horse battery staple",
        "tr0ub4dor&3x",
        "密码很长而且好记的一个句子",
    ):
        assert not is_easily_guessed(text, "ann"), text


def test_what_ends_logins(accounts: Accounts) -> None:
    add(accounts, "boss", Role.ADMIN)
    changes: list[dict[str, Any]] = [
        {"disabled": True}, {"role": Role.VIEWER}, {"password": Secret("six dry maps hum")},
    ]  # fmt: skip
    for number, change in enumerate(changes):
        ann = add(accounts, f"ann{number}")
        login = start_login(accounts, ann)
        assert logins.find_login(accounts.database, login)
        accounts.change_user(ROOT, ann.name, **change)
        assert logins.find_login(accounts.database, login) is None, change
        accounts.change_user(ROOT, ann.name, disabled=False)
        assert logins.find_login(accounts.database, login) is None, change


def test_a_login_ends_by_itself_and_alone(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = add(accounts, "ann")
    first, second = start_login(accounts, ann), start_login(accounts, ann)
    ids = [one.id for one in logins.list_logins(accounts.database, ann)]
    assert len(ids) == 2
    accounts.revoke_login(ROOT, "ann", ids[1])
    assert logins.find_login(accounts.database, first) is None
    assert logins.find_login(accounts.database, second)
    with pytest.raises(NothingThere):
        accounts.revoke_login(ROOT, "ann", ids[1])
    now = logins.time() + logins.LOGIN_SECONDS + 1
    monkeypatch.setattr(logins, "time", lambda: now)
    assert logins.find_login(accounts.database, second) is None


def test_the_oldest_of_too_many_logins_ends(accounts: Accounts) -> None:
    ann = add(accounts, "ann")
    kept = [start_login(accounts, ann) for _ in range(logins.MAX_LOGINS + 1)]
    assert len(logins.list_logins(accounts.database, ann)) == logins.MAX_LOGINS
    assert logins.find_login(accounts.database, kept[0]) is None


def test_a_changed_password_keeps_the_login_that_changed_it(accounts: Accounts) -> None:
    ann = add(accounts, "ann")
    mine, other = start_login(accounts, ann), start_login(accounts, ann)
    found = logins.find_login(accounts.database, mine)
    assert found
    new = Secret("six dry maps hum")
    with pytest.raises(WrongCredential):
        accounts.change_password(ROOT, "ann", Secret("wrong"), new, found[1].id)
    accounts.change_password(ROOT, "ann", WORDS, new, found[1].id)
    assert logins.find_login(accounts.database, mine)
    assert logins.find_login(accounts.database, other) is None
    assert accounts.authenticate("ann", WORDS, "") is None
    assert accounts.authenticate("ann", new, "")


def test_tokens_expire_are_revoked_and_never_open_more_than_their_user(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(accounts, "boss", Role.ADMIN)
    add(accounts, "ann")
    draw = TokenSpec("draws", (AccessScope.READ, AccessScope.GENERATE), 1.0)
    drawing, made = accounts.add_token(ROOT, "ann", draw)
    reading, read = accounts.add_token(ROOT, "ann", READ)
    assert made.scopes == (AccessScope.GENERATE, AccessScope.READ)
    with pytest.raises(Forbidden):
        accounts.add_token(ROOT, "ann", TokenSpec("all", (AccessScope.OWNER,)))
    accounts.change_user(ROOT, "ann", role=Role.VIEWER)
    assert api_tokens.find_token(accounts.database, drawing) is None
    assert api_tokens.find_token(accounts.database, reading)
    accounts.change_user(ROOT, "ann", role=Role.MEMBER, disabled=True)
    assert api_tokens.find_token(accounts.database, reading) is None
    accounts.change_user(ROOT, "ann", disabled=False)
    assert api_tokens.find_token(accounts.database, drawing)
    monkeypatch.setattr(api_tokens, "time", lambda: made.created + api_tokens.DAY + 1)
    assert api_tokens.find_token(accounts.database, drawing) is None
    accounts.revoke_token(ROOT, "ann", read.id)
    assert api_tokens.find_token(accounts.database, reading) is None
    with pytest.raises(NothingThere):
        accounts.revoke_token(ROOT, "boss", made.id)


def test_an_invitation_makes_one_account(accounts: Accounts) -> None:
    code, made = accounts.invite(ROOT, Role.VIEWER, None, 1)
    with pytest.raises(Refused):
        accounts.accept(code, "ann", Secret("short"), "10.0.0.9")
    assert accounts.accept(code, "Ann", WORDS, "10.0.0.9").role is Role.VIEWER
    for void in (code, Secret("no such code")):
        with pytest.raises(NothingThere):
            accounts.accept(void, "bob", WORDS, "10.0.0.9")
    named, made = accounts.invite(ROOT, Role.MEMBER, "carl", 1)
    assert accounts.accept(named, "somebody", WORDS, "").name == "carl"
    revoked, made = accounts.invite(ROOT, Role.MEMBER, None, 1)
    accounts.revoke_invitation(ROOT, made.id)
    with pytest.raises(NothingThere):
        accounts.accept(revoked, "dora", WORDS, "")
    assert not invitations.list_invitations(accounts.database)


def test_of_guests_who_choose_one_name_at_once_one_gets_it(accounts: Accounts) -> None:
    codes = [accounts.invite(ROOT, Role.MEMBER, None, 1)[0] for _ in range(4)]
    codes += codes  # and each invitation is used twice
    refused: list[int] = []

    def accept(code: Secret) -> None:
        try:
            accounts.accept(code, "ann", WORDS, "")
        except Refused as error:
            refused.append(error.status)

    threads = [threading.Thread(target=accept, args=(code,)) for code in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == len(codes) - 1
    assert set(refused) <= {404, 409}
    assert [user.name for user in users.list_users(accounts.database)] == ["ann"]
    assert len(invitations.list_invitations(accounts.database)) == 3


def test_only_the_last_start_invites_the_first_admin(accounts: Accounts) -> None:
    first, second = accounts.invite_first_admin(), accounts.invite_first_admin()
    assert first
    assert second
    with pytest.raises(NothingThere):
        accounts.accept(first, "mallory", WORDS, "")
    assert accounts.accept(second, "ann", WORDS, "").role is Role.ADMIN
    assert accounts.invite_first_admin() is None


def test_one_admin_is_always_left(accounts: Accounts) -> None:
    add(accounts, "ann", Role.ADMIN)
    for change in ({"role": Role.MEMBER}, {"disabled": True}):
        with pytest.raises(Conflict, match="only admin"):
            accounts.change_user(ROOT, "ann", **change)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="only admin"):
        accounts.remove_user(ROOT, "ann")
    add(accounts, "bob", Role.ADMIN)
    refused: list[Exception] = []

    def demote(name: str) -> None:
        try:
            accounts.change_user(ROOT, name, role=Role.MEMBER)
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=demote, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    admins = [user for user in users.list_users(accounts.database) if user.role is Role.ADMIN]
    assert (len(admins), len(refused)) == (1, 1)


def test_a_removed_user_leaves_the_log_alone(accounts: Accounts) -> None:
    add(accounts, "boss", Role.ADMIN)
    ann = add(accounts, "ann")
    login, (token, _) = start_login(accounts, ann), accounts.add_token(ROOT, "ann", READ)
    accounts.remove_user(ROOT, "ann")
    assert logins.find_login(accounts.database, login) is None
    assert api_tokens.find_token(accounts.database, token) is None
    assert accounts.authenticate("ann", WORDS, "") is None
    assert [user.name for user in users.list_users(accounts.database)] == ["boss"]
    told = audit.search(accounts.database, AuditSearch(text="ann"))
    assert [line.action for line in told] == [
        "login.fail", "user.remove", "token.add", "login.start", "user.add",
    ]  # fmt: skip


def test_the_log_is_searched_in_pages_and_by_every_column(accounts: Accounts) -> None:
    for number in range(25):
        actor = Actor(f"user{number % 5}", f"10.0.0.{number}", f"request-{number}")
        accounts.record(actor, f"kind{number % 2}.act", f"target {number}", "100% =sure_")
    found = audit.search(accounts.database, AuditSearch(), 10)
    assert [line.target for line in found] == [f"target {n}" for n in range(24, 14, -1)]
    rest = audit.search(accounts.database, AuditSearch(before=found[-1].id), 100)
    assert len(rest) == 15
    for wanted, count in (
        (AuditSearch(actor="user1"), 5), (AuditSearch(action="kind1"), 12),
        (AuditSearch(action="kind1.act"), 12), (AuditSearch(action="kind"), 0),
        (AuditSearch(text="TARGET 2"), 6), (AuditSearch(text="100%"), 25),
        (AuditSearch(text="%"), 25), (AuditSearch(text="1_0"), 0),
        (AuditSearch(since=found[0].at), 1), (AuditSearch(until=found[0].at), 25),
        (AuditSearch("user1", "kind1", "target 1"), 2),
    ):  # fmt: skip
        assert len(audit.search(accounts.database, wanted, 100)) == count, wanted


def test_the_log_as_csv_has_no_formula_and_every_line(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PAGE", 4)
    for number in range(10):
        accounts.record(ROOT, "act", f'=HYPERLINK("x"), {number}\nnext line')
    rows = list(csv.reader(io.StringIO("".join(audit.csv_lines(accounts.database, AuditSearch())))))
    assert rows[0] == ["time", "actor", "action", "target", "detail", "address", "request"]
    assert [row[3] for row in rows[1:]] == [
        f'\'=HYPERLINK("x"), {number}\nnext line' for number in range(9, -1, -1)
    ]


def test_old_lines_of_the_log_go(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PRUNE_EVERY", 10)
    monkeypatch.setattr(audit, "MAX_ENTRIES", 5)
    for number in range(20):
        accounts.record(ROOT, "act", str(number))
    left = [line.target for line in audit.search(accounts.database, AuditSearch())]
    assert left == ["19", "18", "17", "16", "15"]


def test_the_database_holds_no_secret(accounts: Accounts) -> None:
    ann = add(accounts, "ann", Role.ADMIN)
    secrets = [
        WORDS, start_login(accounts, ann), accounts.add_token(ROOT, "ann", READ)[0],
        accounts.invite(ROOT, Role.MEMBER, None, 1)[0],
    ]  # fmt: skip
    with accounts.database.read() as connection:
        text = " ".join(
            repr(row)
            for table in METADATA.sorted_tables
            for row in connection.execute(sa.select(table)).all()
        )
    assert "$argon2id$v=19$m=19456" in text
    assert not [secret for secret in secrets if secret.reveal() in text]


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "x" * 10_000, "' OR 1=1"])
def test_texts_that_no_database_takes_are_wrong_and_no_more(accounts: Accounts, text: str) -> None:
    ann = add(accounts, "ann")
    assert accounts.authenticate(text, Secret(text), text) is None
    assert accounts.authenticate("ann", Secret(text), text) is None
    assert accounts.start_login(ann, text, text)
    accounts.record(Actor(text, text, text), text, text, text)
    assert audit.search(accounts.database, AuditSearch(text, text, text)) is not None
    assert api_tokens.find_token(accounts.database, Secret(text)) is None
    assert logins.find_login(accounts.database, Secret(text)) is None
    _, made = accounts.add_token(ROOT, "ann", TokenSpec(text, (AccessScope.READ,)))
    assert len(made.label) <= api_tokens.MAX_LABEL_LENGTH
    for attempt in (
        lambda: accounts.revoke_token(ROOT, "ann", text),
        lambda: accounts.revoke_login(ROOT, "ann", text),
        lambda: accounts.revoke_invitation(ROOT, text),
        lambda: accounts.revoke_logins(ROOT, text),
        lambda: accounts.remove_user(ROOT, text),
        lambda: accounts.accept(Secret(text), "bob", WORDS, ""),
        lambda: add(accounts, text),
        lambda: accounts.change_user(ROOT, "ann", password=Secret(text)),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.status in (404, 422)
    assert external_user(accounts, ExternalUser(text, None, text), Role.VIEWER, ROOT) is None


def test_credentials_wait_like_those_of_flags(accounts: Accounts) -> None:
    add(accounts, "ann")
    token, _ = accounts.add_token(ROOT, "ann", READ)
    source, throttle = AccountCredentials(accounts, Credentials()), LoginThrottle()

    def come(name: str, secret: Secret, address: str = "10.0.0.3") -> Any:
        return source.admit(PresentedCredential(name, secret), throttle, address)

    for spelling in ("ann", "ANN", " Ann ", "aNN", "anN") * 2:
        assert come(spelling, Secret("wrong one")) is None
    with pytest.raises(TooManyTries):
        come("Ann", WORDS)
    assert come("ann", WORDS, "10.0.0.4").scope is AccessScope.USER
    assert come("", token).scope is AccessScope.READ
    assert come("ann", token).scope is AccessScope.READ


def test_guesses_are_counted_where_the_log_cannot_be_written(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(accounts, "ann")
    source, throttle = AccountCredentials(accounts, Credentials()), LoginThrottle()

    def write_to_full_disk(*_: Any) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("database or disk is full"))

    monkeypatch.setattr(audit, "record", write_to_full_disk)
    wrong, right = (PresentedCredential("ann", secret) for secret in (Secret("wrong one"), WORDS))
    for _ in range(10):
        assert source.admit(wrong, throttle, "10.0.0.3") is None
    with pytest.raises(TooManyTries):
        source.admit(right, throttle, "10.0.0.3")


def test_a_login_by_token_stays_narrow_and_ends_with_it(accounts: Accounts) -> None:
    add(accounts, "ann", Role.ADMIN)
    token, made = accounts.add_token(ROOT, "ann", READ)
    source = AccountCredentials(accounts, Credentials())
    caller = source.admit(PresentedCredential("", token), None, "")
    assert caller
    login_id = source.start_login(caller, "", "")
    assert token.reveal() not in login_id
    found = source.login_loader()(login_id)
    assert found
    known = source.recheck(found)
    assert known
    assert (known.name, known.scopes, known.by_cookie) == ("ann", (AccessScope.READ,), True)
    accounts.revoke_token(ROOT, "ann", made.id)
    assert source.recheck(found) is None


def test_whom_others_have_authenticated(accounts: Accounts) -> None:
    add(accounts, "ann")
    accounts.add_user(ROOT, "carl", Role.VIEWER, None)
    provider = ExternalUser("ann", "https://id.example 7", "the provider")
    assert external_user(accounts, provider, Role.ADMIN, ROOT) is None  # she has a password
    linked = external_user(accounts, ExternalUser("carl", "https://id.example 8", "p"), None, ROOT)
    assert linked
    assert linked.name == "carl"
    renamed = ExternalUser("carla", "https://id.example 8", "p")
    found = external_user(accounts, renamed, None, ROOT)
    assert found
    assert found.name == "carl"
    assert (
        external_user(accounts, ExternalUser("carl", "https://id.example 9", "p"), None, ROOT)
        is None
    )
    assert (
        external_user(accounts, ExternalUser("dora", "https://id.example 3", "p"), None, ROOT)
        is None
    )
    made = external_user(
        accounts, ExternalUser("dora", "https://id.example 3", "p"), Role.VIEWER, ROOT
    )
    assert made
    assert made.role is Role.VIEWER
    assert external_user(accounts, ExternalUser("../x", None, "proxy"), Role.VIEWER, ROOT) is None
    accounts.change_user(ROOT, "dora", disabled=True)
    assert external_user(accounts, ExternalUser("dora", None, "proxy"), Role.VIEWER, ROOT) is None


@pytest.mark.parametrize(
    "address",
    ["canary-secret", "mysql://u:canary@h/d", "sqlite://", "sqlite:///:memory:",
     "postgresql://u:canary@h:port/d"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_its_secret(address: str, tmp_path: Any) -> None:
    with pytest.raises(AccountsUnusable) as refused:
        open_database(Secret(address), tmp_path)
    assert "canary" not in str(refused.value)


def test_a_database_that_is_not_there_is_told_without_its_secret(tmp_path: Any) -> None:
    with pytest.raises(AccountsUnusable) as refused:
        open_accounts(Secret(f"postgresql://u:canary@/d?host={tmp_path}"), tmp_path)
    assert "canary" not in str(refused.value)
    assert "cannot be used" in str(refused.value)


def test_a_name_that_a_flags_token_has_is_refused_at_the_start(
    accounts: Accounts, database_url: Secret, tmp_path: Any
) -> None:
    add(accounts, "ann")
    with pytest.raises(AccountsUnusable, match="'ann' is a user's and a token's"):
        open_accounts(database_url, tmp_path, frozenset({"ann"}))


def test_a_user_added_beside_the_service_gets_nothing_of_a_flags_token_of_that_name(
    accounts: Accounts,
) -> None:
    user = add(accounts, "ann", Role.ADMIN)
    token, _ = accounts.add_token(ROOT, "ann", READ)
    login = f"account/{start_login(accounts, user).reveal()}"
    flags = Credentials(narrow=(NarrowToken("ann", AccessScope.READ, Secret("token-of-ann")),))
    source = AccountCredentials(replace(accounts, taken=frozenset({"ann"})), flags)
    for name, secret in (("ann", WORDS), ("", token)):
        assert source.admit(PresentedCredential(name, secret), None, "") is None
    assert source.login_loader()(login) is None
    assert source.by_name("ann") is None
    assert source.recheck(Caller("ann", AccessScope.OWNER, key="name/ann")) is None
    found = source.admit(PresentedCredential("", Secret("token-of-ann")), None, "")
    assert found == Caller("ann", AccessScope.READ)
    accounts.add_user(ROOT, "root", Role.ADMIN, None)
    accounts.remove_user(ROOT, "ann")
    assert source.recheck(found) == found
