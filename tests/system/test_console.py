"""The console in a browser: Debian's Chromium uses each control of the page."""

import json
import re
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mc_sched.obs.routes import agent_routes
from mc_sched.obs.store import counting
from mc_sched.obs.store.writer import StoreWriter
from mc_sched.obs.web.server import WebServer
from tests.obs.logged_edge import LoggedEdge

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]
PATIENCE_MS = 20_000
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
MANY = 450
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line(number, name, level="info", ago_s=60.0, **data):
    """A line written `ago_s` ago, and a little later for each `number`."""
    wall = datetime.fromtimestamp(time.time() - ago_s + number / 100, timezone.utc)
    record = {"t_ns": number, "wall": wall.isoformat(timespec="microseconds"), "node": "edge",
              "level": level, "kind": "note", "name": name, "data": data}  # fmt: skip
    return json.dumps(record).encode()


def wait_for(page, condition, argument=None):
    """Poll a condition; Playwright's own polling needs eval, which the page's policy forbids."""
    end = time.monotonic() + PATIENCE_MS / 1e3
    while not page.evaluate(condition, argument):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def one_task():
    """A task that fell back to the local net, and one that the cloud answered."""
    edge = LoggedEdge()
    edge.submit(0, "cloud-1", 84, trace_id=TRACE)
    edge.accepted(20, "cloud-1")
    edge.replied(29, "cloud-1")
    edge.submit(100, "fallback-1", 84)
    edge.fallback_fires(160, "fallback-1")
    edge.local_done(181, "fallback-1")
    return edge


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("console") / "edge.db"
    writer = one_task().stored(path)
    writer.append([line(n, "tick", "debug", 200, n=n, text="all is well") for n in range(MANY)])
    writer.append([line(n, "again", "info", 100, text=f"wait {n} ms") for n in range(3)])
    writer.append([
        line(0, "odd", "error", 50, text=HOSTILE),
        line(1, "odd", "critical", 50, text="\x00\x1b[31m\u202e bell \x07"),
        line(2, "odd", "warning", 50, text="long " * 200_000),
    ])  # fmt: skip
    writer.append([b"\xff\xfe no utf-8 at all"])
    yield path
    writer.close()


@pytest.fixture(scope="module")
def address(store):
    server = WebServer("127.0.0.1:0", agent_routes("edge", store))
    server.start()
    yield f"http://127.0.0.1:{server.port}/"
    server.close()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Console:
    """The page, with its errors and its requests to other hosts."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.complaints, self.foreign = [], []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda sent: self._note(sent.url))

    def _note(self, url):
        if not url.startswith((self.address, "data:", "blob:")):
            self.foreign.append(url)

    def open(self, path="#/explore", view="explore"):
        self.page.goto("about:blank")
        self.page.goto(self.address + path)
        self.ready(view)
        return self

    def ready(self, view="explore"):
        self.page.wait_for_selector(f"body[data-ready={view}]")

    @property
    def lines(self):
        return self.page.locator("#lines > li")

    def names(self):
        return self.page.locator("#lines > li > .head b").all_inner_texts()

    def found(self):
        """The number of matching lines in the header."""
        header, count = self.page.locator("#found"), re.compile(r"of ([\d,]+) lines")
        playwright.expect(header).to_contain_text(count, timeout=PATIENCE_MS)
        return int(count.search(header.inner_text())[1].replace(",", ""))

    def search(self, words="", where=""):
        self.page.fill("#words", words)
        self.page.fill("#where", where)
        self.page.press("#where", "Enter")
        wait_for(
            self.page,
            "([w, c]) => { const q = new URLSearchParams(location.hash.split('?')[1]);"
            " return (q.get('words') || '') === w && (q.get('where') || '') === c }",
            [words, where],
        )
        self.ready()


@pytest.fixture
def console(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    made = Console(page, address)
    yield made
    assert made.complaints == []
    assert made.foreign == []
    page.close()


# --- Explore ----------------------------------------------------------------------------------


def test_the_volume_is_a_histogram_and_a_drag_over_it_zooms_in(console):
    page = console.open().page
    before = console.found()
    box = page.locator("#volume .u-over").bounding_box()
    at = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, at)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.999, at, steps=5)
    page.mouse.up()
    wait_for(page, "location.hash.includes('from=')")
    console.ready()
    assert 0 < console.found() < before
    assert page.locator("#volume canvas").count() == 1
    assert page.locator("#volume .u-legend").inner_text().count("error") == 1


def test_levels_labels_words_and_conditions_narrow_it_down(console):
    page = console.open().page
    page.select_option("select[aria-label=level]", "error")
    wait_for(page, "location.hash.includes('level=error')")
    console.ready()
    assert set(console.names()) == {"odd"}
    assert console.lines.count() == 2
    console.open()
    page.wait_for_selector("#labels optgroup[label=name]", state="attached")
    page.select_option("#labels", "name=again")
    wait_for(page, "location.hash.includes('again')")
    console.ready()
    assert console.names() == ["again"] * 3
    console.search(words="wait")
    assert console.found() == 3
    assert page.locator("mark").first.inner_text() == "wait"
    console.search(where="name=tick n>440")
    assert console.found() == 9


def test_a_wrong_condition_is_shown_on_the_page(console):
    console.open().page.fill("#where", "late")
    console.page.press("#where", "Enter")
    console.page.wait_for_selector("#problem:not([hidden])")
    assert "is not a condition" in console.page.locator("#problem").inner_text()
    console.page.wait_for_timeout(500)  # other questions are answered, and it stays
    assert console.page.locator("#problem").is_visible()


def open_line(console, name="again"):
    item = console.page.locator(f"#lines > li:has(.head b:text-is('{name}'))").first
    item.locator(".head").click()
    return item


def test_a_line_opens_to_its_fields_with_filters(console):
    item = open_line(console.open("#/explore?where=name=again"))
    assert item.locator("th").all_inner_texts() == ["node", "level", "kind", "name", "text"]
    item.locator("button[aria-label='filter for text']").click()
    wait_for(console.page, "location.hash.includes('text')")
    console.ready()
    assert console.found() == 1
    item = open_line(console.open("#/explore?where=name=again"))
    item.locator("button[aria-label='filter out text']").click()
    wait_for(console.page, "location.hash.includes('text')")
    console.ready()
    assert console.found() == 2


def test_one_field_alone_and_its_statistics(console):
    item = open_line(console.open("#/explore?where=node=edge"), "again")
    item.locator("button[aria-label='statistics of name']").click()
    console.page.wait_for_selector(".statistics li")
    assert "tick" in console.page.locator(".statistics").inner_text()
    item.locator("button[aria-label='show only text']").click()
    shown = console.page.locator("#lines > li:has(b:text-is('again')) .text").first
    assert shown.inner_text() == "text=wait 2 ms"
    console.page.get_by_role("button", name="show all fields").click()
    assert "only text" not in console.page.locator("#found").inner_text()


def test_context_shows_the_neighbours_of_a_line(console):
    item = open_line(console.open("#/explore?where=name=again"))
    item.get_by_role("button", name="Context").click()
    console.page.wait_for_selector(".context li")
    names = item.locator(".context .head b").all_inner_texts()
    assert names[5] == "again"
    assert "tick" in names
    assert item.locator(".context li.target").count() == 1


def test_a_permalink_leads_to_the_line(console, browser):
    item = open_line(console.open("#/explore?where=name=again"))
    link = item.locator("a.permalink").get_attribute("href")
    line_id = item.get_attribute("data-id")
    console.open(link)
    here = console.page.locator("#lines > li.target")
    assert here.get_attribute("data-id") == line_id
    assert here.locator(".fields").count() == 1


def test_a_permalink_leads_to_a_line_among_very_many(console, store):
    """Hundreds of younger lines lie within a minute of it."""
    page = console.open("#/explore?where=n=0").page
    item = console.page.locator("#lines > li:has(b:text-is('tick'))")
    item.locator(".head").click()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    item.get_by_role("button", name="Copy link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(console.address)
    page.goto("about:blank")
    page.goto(link)
    console.ready()
    assert "n=0 " in page.locator("#lines > li.target .text").first.inner_text() + " "


def test_a_permalink_to_a_deleted_line_shows_an_error(console):
    console.open("#/explore?from=1800000000000&to=1800000120000&id=1800000060000000000")
    console.page.wait_for_selector("#problem:not([hidden])")
    assert "the line of this link no longer exists" in console.page.locator("#problem").inner_text()


def test_a_range_is_typed_moved_and_widened(console):
    page = console.open("#/explore?where=name=again").page
    page.select_option("select[aria-label='time range']", "fixed")
    page.wait_for_selector("input[aria-label=from]")
    console.ready()
    assert console.found() == 3
    page.locator("input[aria-label=to]").fill("2026-01-01T12:00:00")
    page.locator("input[aria-label=to]").blur()
    page.wait_for_selector("#none:not([hidden])")
    assert console.lines.count() == 0
    before = page.evaluate("location.hash")
    page.keyboard.press("z")
    wait_for(page, "before => location.hash !== before", before)
    page.get_by_role("button", name="Search the last 7 days").click()
    wait_for(page, "location.hash.includes('range=7d')")
    console.ready()
    assert console.found() == 3


@pytest.mark.parametrize("path", ["#/constructor", "#/task/%", "#/__proto__", "#/explore?from=x"])
def test_an_address_that_was_tampered_with_leaves_a_page_that_works(console, path):
    page = console.page
    page.goto(console.address + path)
    page.wait_for_selector("body[data-ready]")
    page.keyboard.press("2")
    console.ready("dashboard")
    page.keyboard.press("1")
    console.ready()


@pytest.mark.parametrize("view", ["explore", "dashboard", "task"])
def test_the_page_fits_a_phones_screen(browser, address, view):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    console = Console(page, address).open("#/task/cloud-1" if view == "task" else f"#/{view}", view)
    if view == "explore":
        console.lines.nth(1).locator(".head").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_order_wrap_and_prettify(console):
    page = console.open("#/explore?where=name=again").page
    assert "wait 2 ms" in console.lines.first.inner_text()
    page.click("#order")
    wait_for(page, "location.hash.includes('oldest')")
    console.ready()
    assert "wait 0 ms" in console.lines.first.inner_text()
    page.get_by_label("Wrap").check()
    assert "wrap" in page.locator("#lines").get_attribute("class")
    page.get_by_label("Prettify").check()
    assert '"text": "wait 0 ms"' in console.lines.first.inner_text()


@pytest.mark.parametrize(
    ("how", "count"), [("none", 3), ("exact", 3), ("numbers", 1), ("signature", 1)]
)
def test_equal_lines_are_merged(console, how, count):
    page = console.open("#/explore?where=name=again").page
    page.select_option("select[aria-label=deduplicate]", how)
    assert console.lines.count() == count
    if count == 1:
        assert "×3" in console.lines.first.inner_text()


def test_older_lines_are_paged_in(console):
    console.open("#/explore?where=name=tick")
    assert console.lines.count() == 200
    assert console.found() == MANY
    console.page.click("#older")
    wait_for(console.page, "document.querySelectorAll('#lines > li').length === 400")
    console.page.click("#older")
    wait_for(console.page, "document.querySelectorAll('#lines > li').length === 450")
    assert "n=0 " in console.lines.last.inner_text()


def test_the_header_counts_lines_and_names_common_labels(console):
    console.open("#/explore?where=name=again")
    text = console.page.locator("#found").inner_text()
    assert text.startswith("3 of 3 lines · common: node=edge level=info kind=note name=again · ")


def test_very_many_lines_are_estimated_and_counted_on_demand(console, monkeypatch):
    monkeypatch.setattr(counting, "SAMPLED_LINES", 200)
    page = console.open("#/explore?where=n>=0").page
    header = page.locator("#found")
    assert re.search(r"of about [345]\d\d lines \(1 in 2 read\)", header.inner_text())
    assert "estimated from 1 line in 2" in page.locator("#volume").inner_text()
    assert console.lines.count() == 200
    page.click("#all")
    page.wait_for_selector("#all", state="detached")
    assert console.found() == MANY
    assert "estimated" not in page.locator("#volume").inner_text()


def test_downloads_as_text_and_json(console):
    page = console.open("#/explore?where=name=again").page
    for label, suffix in (("Text", ".txt"), ("JSON", ".jsonl")):
        with page.expect_download() as coming:
            page.get_by_role("link", name=label, exact=True).click()
        file = coming.value
        assert file.suggested_filename == f"edge{suffix}"
        text = Path(file.path()).read_text()
        assert text.count("wait") == len(text.splitlines()) == 3


def test_the_live_tail_pauses_resumes_and_clears(console, store):
    page = console.open("#/explore?where=name=fresh").page
    writer = StoreWriter(store)

    def write(n):
        writer.append([line(n, "fresh", "info", 0, text=f"number {n}")])

    page.click("#live")
    page.wait_for_timeout(700)
    write(1)
    page.wait_for_selector("#lines li:has-text('number 1')")
    page.click("#pause")
    write(2)
    page.wait_for_timeout(1000)
    assert console.lines.count() == 1
    page.click("#pause")
    page.wait_for_selector("#lines li:has-text('number 2')")
    page.click("#clear")
    assert console.lines.count() == 0
    write(3)
    page.wait_for_selector("#lines li:has-text('number 3')")
    page.click("#live")
    assert page.locator("#live").inner_text() == "Live tail"
    writer.close()


def test_a_task_id_leads_to_its_time_line(console):
    page = console.open("#/explore?where=task=fallback-1").page
    page.locator("#lines a.task").first.click()
    console.ready("task")
    assert page.locator("#cause").inner_text().startswith("Because it fell back to the local net")


def test_a_trace_leads_to_its_tasks_time_line(console):
    item = open_line(console.open("#/explore?where=task=cloud-1"), "Submitted")
    item.locator("tr:has(th:text-is('trace_id')) a").click()
    console.ready("task")
    assert TRACE in console.page.locator("pre").inner_text()
    console.page.get_by_role("link", name="Its lines in Explore").click()
    console.ready()
    assert "Submitted" in console.names()


def test_hostile_content_is_text(console):
    page = console.open("#/explore?where=name=odd").page
    assert page.title() != "owned"
    assert page.locator("main img, main script").count() == 0
    item = page.locator("#lines > li.error")
    item.locator(".head").click()
    assert HOSTILE in item.locator(".value").last.inner_text()
    assert "characters)" in page.locator("#lines > li.warning .text").inner_text()
    assert len(page.locator("#lines > li.warning .text").inner_text()) < 3000
    console.search(where="level=unknown")
    assert "no utf-8 at all" in console.lines.first.inner_text()
    for quotes in ("'", '"', "'\"<b>", "\\"):
        page.fill("#words", quotes)
        page.press("#words", "Enter")
        console.ready()
    assert page.title() != "owned"


def test_it_can_be_used_without_a_mouse(console):
    page = console.open("#/explore?where=name=again").page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "words"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    assert console.lines.nth(1).locator(".fields").count() == 1
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    assert console.lines.nth(0).locator(".fields").count() == 1
    page.keyboard.press("2")
    console.ready("dashboard")
    page.keyboard.press("3")
    console.ready("task")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    console.ready()


# --- the other views --------------------------------------------------------------------------


def test_the_dashboard_has_every_panel(console):
    page = console.open("#/dashboard", "dashboard").page
    titles = page.locator(".panel h2").all_inner_texts()
    assert titles == [
        "Latency by site, measured and predicted", "Outcomes", "Answered by", "Exits",
        "Given up on the cloud", "Link: round trip, losses and recoveries", "Power",
        "E3 of the last tasks", "Forecasts against actual times",
    ]  # fmt: skip
    drawn = page.locator(".panel:has(canvas) h2").all_inner_texts()
    assert drawn == [title for title in titles if title != "Power"]  # the log has no sensor
    legend = page.locator(".panel").first.locator(".u-legend").inner_text()
    assert all(name in legend for name in ("edge", "cloud", "deadline", "predicted"))


def test_a_tasks_time_line_shows_both_nodes_and_the_forecasts(console):
    page = console.open("#/task/cloud-1", "task").page
    names = page.locator("#gantt .name").all_inner_texts()
    assert names == ["edge · task", "link · upload"]
    assert page.locator("#gantt .expected").count() == 2
    assert page.locator("#gantt .deadline").count() == 1
    assert "29.0 ms" in page.locator("#gantt").inner_text()
    assert "both sites could serve it" in page.locator("pre").inner_text()
    page.fill("#task", "nobody")
    page.press("#task", "Enter")
    page.wait_for_selector("#problem:not([hidden])")
    assert "nobody" in page.locator("#problem").inner_text()


# --- both themes ------------------------------------------------------------------------------


def ground(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_and_light_follow_the_system_and_the_key(browser, address):
    grounds = set()
    for theme in ("dark", "light"):
        page = browser.new_page(color_scheme=theme)
        console = Console(page, address).open()
        grounds.add(ground(page))
        before = ground(page)
        page.keyboard.press("t")
        console.ready()
        assert ground(page) != before
        page.reload()
        console.ready()
        assert ground(page) != before  # it is remembered
        page.close()
    assert grounds == {"rgb(17, 18, 23)", "rgb(244, 245, 245)"}
