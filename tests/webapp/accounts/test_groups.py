"""Groups of users and limits, on SQLite and PostgreSQL, and what a caller's plan makes of them."""

from typing import Any

import pytest

from webapp.accounts import audit, groups, limits, users
from webapp.accounts.account_plans import AccountPlans
from webapp.accounts.accounts import Accounts
from webapp.accounts.audit import Actor, AuditSearch
from webapp.accounts.limits import RANGES, checked_limits
from webapp.accounts.roles import Role
from webapp.errors import Conflict, NothingThere, Refused
from webapp.queues.plans import LIMIT_NAMES, Limits, Plans
from webapp.queues.sharing import Sharing

ROOT = Actor("root")


def add(accounts: Accounts, name: str, group: str = "", role: Role = Role.MEMBER) -> users.User:
    return accounts.add_user(ROOT, name, role, None, group)


def members(accounts: Accounts) -> dict[str, tuple[str, ...]]:
    return {group.name: group.members for group in groups.list_groups(accounts.database)}


def test_users_come_into_groups_and_out_of_them(accounts: Accounts) -> None:
    accounts.add_group(ROOT, "studio")
    accounts.add_group(ROOT, "lab")
    assert add(accounts, "ann", "studio").group == "studio"
    add(accounts, "bob", "studio")
    assert add(accounts, "carl").group == ""
    assert members(accounts) == {"lab": (), "studio": ("ann", "bob")}
    assert accounts.set_group(ROOT, "bob", "lab").group == "lab"
    assert accounts.set_group(ROOT, "ann", "").group == ""
    add(accounts, "root", role=Role.ADMIN)
    accounts.remove_user(ROOT, "bob")
    assert members(accounts) == {"lab": (), "studio": ()}
    assert {each.name: each.group for each in users.list_users(accounts.database)} == {
        "ann": "", "carl": "", "root": "",
    }  # fmt: skip


def test_a_change_with_a_group_is_made_whole_or_not_at_all(accounts: Accounts) -> None:
    accounts.add_group(ROOT, "studio")
    add(accounts, "root", role=Role.ADMIN)
    with pytest.raises(Conflict):
        accounts.change_user(ROOT, "root", Role.MEMBER, group="studio")
    assert members(accounts) == {"studio": ()}
    add(accounts, "ann")
    changed = accounts.change_user(ROOT, "ann", Role.VIEWER, group="studio")
    assert (changed.role, changed.group) == (Role.VIEWER, "studio")
    assert members(accounts) == {"studio": ("ann",)}


def test_groups_that_are_not_there_or_taken(accounts: Accounts) -> None:
    accounts.add_group(ROOT, "studio")
    with pytest.raises(Conflict):
        accounts.add_group(ROOT, "studio")
    with pytest.raises(Refused, match="group's name has 1 to 32"):
        accounts.add_group(ROOT, "../x")
    with pytest.raises(NothingThere, match="no group 'none'"):
        add(accounts, "ann", "none")
    assert users.find_user(accounts.database, "ann") is None
    add(accounts, "ann", "studio")
    accounts.set_limits(ROOT, "group", "studio", Limits(weight=2.0))
    accounts.remove_group(ROOT, "studio")
    assert limits.list_limits(accounts.database) == []
    found = users.find_user(accounts.database, "ann")
    assert found is not None
    assert found.group == ""
    with pytest.raises(NothingThere):
        accounts.remove_group(ROOT, "studio")


def test_limits_are_kept_by_kind_and_name(accounts: Accounts) -> None:
    accounts.add_group(ROOT, "ann")
    add(accounts, "ann", "ann")
    all_of_them = Limits(2.5, -3, 4, 5, 6.5, 700.5, 8e9, 9, 2**31 - 1, 2**50)
    accounts.set_limits(ROOT, "user", "ann", all_of_them)
    accounts.set_limits(ROOT, "group", "ann", Limits(pictures_day=3))
    accounts.set_limits(ROOT, "role", "member", Limits(running_jobs=1))
    assert limits.read_limits(accounts.database, "user", "ann") == all_of_them
    assert [each.kind for each in limits.list_limits(accounts.database)] == [
        "group", "role", "user",
    ]  # fmt: skip
    accounts.set_limits(ROOT, "user", "ann", Limits(waiting_jobs=5))
    assert limits.read_limits(accounts.database, "user", "ann") == Limits(waiting_jobs=5)
    accounts.set_limits(ROOT, "user", "ann", Limits())
    assert len(limits.list_limits(accounts.database)) == 2
    for kind, name in (("user", "bob"), ("group", "bob"), ("role", "king"), ("planet", "mars")):
        with pytest.raises(NothingThere):
            accounts.set_limits(ROOT, kind, name, Limits(weight=1.0))
    lines = audit.search(accounts.database, AuditSearch(action="limits"))
    assert (lines[-1].target, lines[0].detail) == ("user ann", "none")


def test_a_removed_user_leaves_no_limits(accounts: Accounts) -> None:
    add(accounts, "root", role=Role.ADMIN)
    add(accounts, "ann")
    accounts.set_limits(ROOT, "user", "ann", Limits(weight=2.0))
    accounts.remove_user(ROOT, "ann")
    assert limits.list_limits(accounts.database) == []


def test_a_plan_is_the_users_then_the_roles_then_the_flags(accounts: Accounts) -> None:
    accounts.add_group(ROOT, "studio")
    add(accounts, "ann", "studio")
    add(accounts, "bob")
    flags = Plans(9, {"bob": 4.0, "ann": 4.0, "script": 0.5}, {"user": 3})
    plans = AccountPlans(accounts.database, flags)
    accounts.set_limits(ROOT, "user", "ann", Limits(weight=2.0, gpu_seconds_day=0.0))
    accounts.set_limits(ROOT, "role", "member", Limits(running_jobs=2, gpu_seconds_day=60.0))
    accounts.set_limits(
        ROOT, "group", "studio", Limits(weight=3.0, priority=7, running_jobs=5, pictures_month=10)
    )
    ann, bob = plans.plan_of("ann", "user"), plans.plan_of("bob", "user")
    assert (ann.limits.gpu_seconds_day, bob.limits.gpu_seconds_day) == (0.0, 60.0)
    assert (ann.weight, bob.weight, ann.max_jobs) == (2.0, 4.0, 3)
    assert (ann.priority(0), bob.priority(-2), bob.priority(9)) == (7, -2, 0)
    assert plans.plan_of("bob", "owner").priority(9) == 9
    assert ann.sharing() == Sharing("studio", 3.0, 2, 5)
    assert bob.sharing() == Sharing(most_running=2)
    assert ann.group_limits.pictures_month == 10
    script = plans.plan_of("script", "generate")
    assert (script.weight, script.limits.running_jobs, script.max_jobs) == (0.5, None, 9)


def test_the_flags_tokens_have_the_flags_limits_without_the_database() -> None:
    flags = Plans(9, {"Script": 0.5})
    gone: Any = None
    plans = AccountPlans(gone, flags, frozenset({"script"}))
    for name, role in (("Script", "generate"), ("owner", "owner")):
        assert plans.plan_of(name, role) == flags.plan_of(name, role)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("user", "weight", 0), ("user", "weight", 101), ("user", "running_jobs", 0),
        ("user", "pictures_day", 1.5), ("user", "gpu_seconds_day", -1),
        ("user", "gpu_seconds_day", float("nan")), ("role", "colour", 1),
        ("group", "stored_bytes", 1), ("user", "priority", 101),
    ],
)  # fmt: skip
def test_limits_out_of_range(kind: str, name: str, value: float) -> None:
    with pytest.raises(Refused, match=name):
        checked_limits(kind, {name: value})


def test_every_limit_has_a_range_and_a_column(accounts: Accounts) -> None:
    assert set(RANGES) == set(LIMIT_NAMES)
    assert set(LIMIT_NAMES) <= {column.name for column in limits.limits.columns}
    least = checked_limits("user", {name: bounds[0] for name, bounds in RANGES.items()})
    most = checked_limits("user", {name: bounds[1] for name, bounds in RANGES.items()})
    add(accounts, "ann")
    for values in (least, most):
        accounts.set_limits(ROOT, "user", "ann", values)
        assert limits.read_limits(accounts.database, "user", "ann") == values
