"""Accounts on the page: coming in, one's own account, usage, users, the audit log, and viewers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from easel_process import ROOT, WIDTH, Easel, eventually, expect_toast, running_easel
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from test_files_tab import safetensors
from test_upload_page import drop, goto

from tests.wait import TIMEOUT, wait_until

pytestmark = pytest.mark.browser
WORDS, OTHER_WORDS = "five wet maps hum", "nine dry oars sing"
LINK = re.compile(r"http://\S+?(/invite/\S+)")
AXE = ROOT / "static" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
FAULTS = """rules => axe.run(document, { runOnly: rules }).then(({ violations }) =>
    violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html.slice(0, 200))]))"""
VIEWS = {
    "own": "#account_logins", "tokens": "#token_new", "usage": "#account_usage_list",
    "users": "#account_user_list", "audit": "#account_audit_list",
}  # fmt: skip


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with accounts; its first admin comes with the first test that needs one."""
    with running_easel(tmp_path_factory.mktemp("easel") / "data", "--accounts") as running:
        yield running


@pytest.fixture(scope="module")
def admin(browser: Browser, easel: Easel) -> Iterator[Page]:
    """The page of the admin who opened the link of the first start."""
    log = easel.data_dir.with_suffix(".log")
    link = wait_until(lambda: LINK.search(log.read_text()))
    with new_page(browser) as page:
        page.goto(easel.url + link[1])
        expect(page.get_by_role("heading", name="Make the first account")).to_be_visible()
        fill_invitation(page, "root", "root12345678")
        expect(page.get_by_role("alert")).to_contain_text("guessed early")
        fill_invitation(page, "", WORDS)
        expect(page.locator("#account")).to_have_text("root")
        yield page


@contextmanager
def new_page(browser: Browser, **wishes: Any) -> Iterator[Page]:
    """A browser that nobody has used."""
    options = {"locale": "en-US", "viewport": {"width": 1280, "height": 860}, **wishes}
    context: BrowserContext = browser.new_context(**options)
    yield context.new_page()
    context.close()


def fill_invitation(page: Page, name: str, password: str) -> None:
    """Fill the form of an invitation and send it; without a name, the one that stands there."""
    if name:
        page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.fill("[name=repeated]", password)
    page.keyboard.press("Enter")


def log_in(page: Page, easel: Easel, name: str, password: str = WORDS) -> None:
    """Log in on the login page."""
    page.goto(f"{easel.url}/login")
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    expect(page.locator("#account")).to_contain_text(name)


def open_view(page: Page, name: str) -> None:
    """Open a part of the account's section."""
    page.click("#account")
    page.click(f"#account_{name}")
    expect(page.locator(VIEWS[name])).to_be_visible()


def add_user(admin: Page, easel: Easel, name: str, role: str) -> None:
    """Another user, made without the page."""
    body = {"name": name, "role": role, "password": WORDS}
    answer = admin.request.post(f"{easel.url}/api/v1/users", data=body)
    assert answer.ok, answer.text()


def figure(page: Page, row: str, column: str) -> str:
    """A cell of the table of usage."""
    return page.locator(
        f"#account_usage_list tr:has(th:text-is('{row}')) td[data-label='{column}']"
    ).inner_text()


def test_an_invited_member_logs_in_uploads_a_lora_that_only_they_see_and_draws(
    browser: Browser, easel: Easel, admin: Page, tmp_path: Path
) -> None:
    open_view(admin, "users")
    admin.click("#user_invite")
    admin.click("#invite_make")
    link = admin.locator("[data-secret]").input_value()
    admin.click("#invite_done")
    expect(admin.locator("#account_invitation_list li")).to_have_count(1)

    with new_page(browser) as ann:
        ann.goto(link)
        fill_invitation(ann, "ann", WORDS)
        ann.fill("#prompt", "nobody else's words")
        ann.click("#logout")
        ann.wait_for_url("**/login")
        log_in(ann, easel, "ann")
        expect(ann.locator("#prompt")).to_have_value("")  # nothing is left for the next user

        lora = tmp_path / "brush-of-ann.safetensors"
        safetensors(lora, {})
        goto(ann, "models", "Lora")
        drop(ann, lora)
        expect(ann.locator(f"[data-upload='{lora.name}']")).to_contain_text("Uploaded")
        listed = f"{easel.url}/sdapi/v1/loras"
        wait_until(lambda: lora.stem in ann.request.get(listed).text())
        add_user(admin, easel, "zoe", "member")
        with new_page(browser) as zoe:
            log_in(zoe, easel, "zoe")
            assert zoe.request.get(listed).json() == []
            assert lora.stem not in admin.request.get(listed).text()
            goto(zoe, "models", "Lora")
            expect(zoe.get_by_text(lora.name)).to_have_count(0)

        ann.get_by_role("button", name="Text to image", exact=True).click()
        ann.fill("#prompt", "a red house")
        ann.fill("#txt2img_steps", "1")
        ann.keyboard.press("Tab")
        ann.click("#txt2img_generate")
        eventually(expect(ann.locator("figure a[download]")).to_be_visible)

        used = f"{easel.url}/api/v1/usage"
        wait_until(lambda: ann.request.get(used).json()["total"]["pictures"] == 1)
        open_view(ann, "usage")
        ann.get_by_role("radio", name="Model").click()
        expect(ann.locator("#account_usage_list tbody")).to_contain_text("easel-default")
        assert figure(ann, "Sum", "Pictures") == "1"
        expect(ann.locator("#account_usage_chart canvas")).to_be_visible()
        expect(ann.get_by_role("radio", name="User")).to_have_count(0)
    open_view(admin, "usage")
    admin.get_by_role("radio", name="User").click()
    expect(admin.locator("#account_usage_list tbody")).to_contain_text("ann")
    assert (figure(admin, "ann", "Pictures"), figure(admin, "ann", "Jobs")) == ("1", "1")
    assert float(figure(admin, "ann", "Device seconds")) > 0
    with admin.expect_download() as download:
        admin.click("#usage_csv")
    assert "ann,1," in download.value.path().read_text()


def test_ones_own_tokens_logins_and_password(browser: Browser, easel: Easel, admin: Page) -> None:
    add_user(admin, easel, "bob", "member")
    with new_page(browser) as bob, new_page(browser) as elsewhere:
        log_in(bob, easel, "bob")
        log_in(elsewhere, easel, "bob")
        held: list[Route] = []
        bob.route("**/api/v1/tokens", lambda route: held.append(route))
        open_view(bob, "tokens")
        expect(bob.locator("main progress")).to_be_visible()  # the list takes its time
        for route in held:
            route.continue_()
        bob.unroute("**/api/v1/tokens")
        expect(bob.locator("main progress")).to_have_count(0)
        bob.click("#token_new")
        bob.fill("#token_label", "night job")
        bob.click("#token_make")
        token = bob.locator("[data-secret]").input_value()
        bob.click("#token_done")
        me, bearer = f"{easel.url}/api/v1/me", {"Authorization": f"Bearer {token}"}
        assert requests.get(me, headers=bearer, timeout=TIMEOUT).json()["scopes"] == ["generate"]
        bob.locator("#account_token_list").get_by_role("button").click()
        bob.get_by_role("button", name="Revoke", exact=True).click()
        expect(bob.get_by_text("None yet.")).to_be_visible()
        assert requests.get(me, headers=bearer, timeout=TIMEOUT).status_code == 401

        open_view(bob, "own")
        logins = bob.locator("#account_logins li")
        expect(logins).to_have_count(2)
        logins.get_by_role("button", name="End").click()
        expect(logins).to_have_count(1)
        assert elsewhere.request.get(me).status == 401

        for old, sentence in ((OTHER_WORDS, "The password now is not right."), (WORDS, "")):
            bob.fill("#password_old", old)
            bob.fill("#password_new", OTHER_WORDS)
            bob.fill("#password_again", OTHER_WORDS)
            bob.click("#password_change")
            if sentence:
                expect(bob.locator("main [role=alert]").first).to_contain_text(sentence)
        expect_toast(bob, "The password is changed")
        log_in(elsewhere, easel, "bob", OTHER_WORDS)


def test_an_admin_changes_disables_and_removes_a_user(
    browser: Browser, easel: Easel, admin: Page
) -> None:
    add_user(admin, easel, "carl", "member")
    row = admin.locator("[data-user=carl]")
    with new_page(browser) as carl:
        log_in(carl, easel, "carl")
        open_view(admin, "users")
        row.get_by_role("button").click()
        admin.get_by_role("radio", name="Viewer").click()
        admin.click("#user_role")
        expect_toast(admin, "carl has the new role.")
        expect(row).to_contain_text("Viewer")
        carl.reload()
        expect(carl.get_by_role("heading", name="Log in")).to_be_visible()  # all logins ended
    admin.click("#user_disable")
    expect(admin.locator("#user_enable")).to_be_visible()
    admin.click("#user_remove")
    expect(admin.get_by_role("dialog")).to_contain_text("is given to nobody else")
    admin.click("#user_remove_now")
    expect(row).to_have_count(0)

    admin.locator("[data-user=root]").get_by_role("button").click()
    admin.click("#user_disable")
    refusal = admin.locator("dialog [role=alert]").filter(has_text="This is the only admin")
    expect(refusal).to_be_visible()
    admin.keyboard.press("Escape")

    open_view(admin, "audit")
    admin.fill("#audit_text", "carl")
    admin.click("#audit_search")
    lines = admin.locator("#account_audit_list tbody tr")
    expect(lines.first).to_contain_text("removed a user")
    expect(lines.last).to_contain_text("added a user")
    with admin.expect_download() as download:
        admin.click("#audit_csv")
    assert len(download.value.path().read_text().splitlines()) == lines.count() + 1


def test_a_viewer_sees_why_nothing_is_drawn(browser: Browser, easel: Easel, admin: Page) -> None:
    add_user(admin, easel, "vera", "viewer")
    with new_page(browser) as vera:
        asked: list[str] = []
        vera.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        log_in(vera, easel, "vera")
        expect(vera.locator("#txt2img_generate")).to_be_disabled()
        expect(vera.locator("main")).to_contain_text("Your account may look at what is here")
        vera.fill("#prompt", "a red house")
        vera.keyboard.press("Control+Enter")
        expect_toast(vera, "and not draw")
        assert "txt2img" not in asked
        vera.get_by_role("button", name="Enlarge").click()
        expect(vera.locator("#extras_generate")).to_be_disabled()
        vera.click("#account")
        assert vera.locator("#account_users, #account_audit").count() == 0


def check_page(page: Page, width: int) -> None:
    """No fault that axe finds at level AA, and nothing wider than the screen."""
    page.evaluate(AXE.read_text())
    assert page.evaluate(FAULTS, RULES) == []
    assert page.evaluate(WIDTH) <= width


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci in static/)")
@pytest.mark.parametrize(
    ("language", "light", "width"), [("en-US", "light", 390), ("zh-CN", "dark", 1280)]
)
def test_every_view_is_accessible_and_fits(
    browser: Browser, easel: Easel, admin: Page, language: str, light: str, width: int
) -> None:
    made = admin.request.post(f"{easel.url}/api/v1/invitations", data={"role": "viewer"})
    wishes = {"locale": language, "color_scheme": light, "has_touch": width < 400}
    faults: list[str] = []
    with new_page(browser, viewport={"width": width, "height": 844}, **wishes) as page:
        page.on("console", lambda said: faults.append(said.text) if "Policy" in said.text else None)
        page.goto(made.json()["url"])
        check_page(page, width)
        page.goto(f"{easel.url}/login")
        page.fill("[name=username]", "root")
        page.fill("[name=password]", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        check_page(page, width)
        page.fill("[name=password]", WORDS)
        page.keyboard.press("Enter")
        for view in VIEWS:
            open_view(page, view)
            check_page(page, width)
    assert faults == []
