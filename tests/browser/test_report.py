"""The page in a real browser: Chromium without a window, on a file and on the live server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, expect, sync_playwright
from pydantic import BaseModel

from mce import Append, Context, Dag, Flow, do, each, gather, lift, recurs, step
from mce.graph.page import page as html_page
from mce.graph.render import render
from mce.graph.trace import record

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")


class Notes(BaseModel, frozen=True):
    log: Annotated[tuple[str, ...], Append()] = ()


@step
async def plan(ctx: Context[Notes], n: int) -> int:
    """Plan what to do."""
    ctx.update(log=(*ctx.state.log, f"planned {n}"))
    return n


@step(retry=recurs(1))
async def unsure(ctx: Context[Notes], n: int) -> int:
    if ctx.attempt == 1:
        raise ValueError("<img src=x onerror=alert(1)>")
    return n


@step
async def long_text(n: float) -> str:
    return "word " * 1000 * round(n)


@step
async def refuse(n: int) -> int:
    raise LookupError(f"nothing for {n}")


@do
async def block(n: int) -> int:
    return await plan(n) + await unsure(n)


@step(pure=True)
def same(n: int) -> int:
    return n


def total(numbers: tuple[int, ...]) -> int:
    return sum(numbers)


def numbers(n: int) -> range:
    return range(n)


def inverse(n: int) -> float:
    return 1 / (n - 900)


class Watched:
    """A page that remembers what went wrong in it, and what it asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", self._fail)
        page.on("request", self._ask)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)

    def _fail(self, error: Error) -> None:
        self.wrong.append(error.message)

    def _ask(self, request: Request) -> None:
        self.asked.append(request.url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, f"these tests need a Chromium on the PATH, as one of {', '.join(NAMES)}: apt-get install chromium"
    with sync_playwright() as driver:
        # Without its sandbox, which Chromium refuses to set up for root; it sees pages of ours alone.
        launched = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield launched
        launched.close()


Open = Callable[..., Page]


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """Open a new page; afterwards nothing was wrong in it."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    found = Watched(context.new_page())
    yield found
    context.close()
    assert not found.wrong


@pytest.fixture
def opened(watched: Watched, tmp_path: Path) -> Iterator[Open]:
    """Run a flow and open the page of its run from its file, which asks for nothing else."""
    file = tmp_path / "run.html"

    def open_run(flow: Flow[Any, Any, Any, Any], value: Any) -> Page:
        graph = flow.graph(name="flow")
        with ThreadPoolExecutor(1) as elsewhere:  # the browser's driver keeps an event loop running in this thread
            outcome = elsewhere.submit(flow.run_sync, value, state=Notes(), trace=True).result()
        file.write_text(html_page(graph, record=record(outcome, graph=graph)), encoding="utf-8")
        watched.page.goto(file.as_uri())
        return watched.page

    yield open_run
    watched.page.wait_for_load_state("networkidle")
    assert watched.asked == [file.as_uri()]


def node(page: Page, path: str) -> Any:
    return page.locator(f'[role=treeitem][data-id="{path}"]')


def test_every_node_is_there_with_its_status(opened: Open) -> None:
    page = opened(plan >> gather(unsure, block) >> lift(total) >> refuse, 2)
    shown = [item.get_attribute("data-id") for item in page.get_by_role("treeitem").all()]
    assert shown == [
        "plan",
        "gather",
        "gather[0]/unsure",
        "gather[1]/block",
        "gather[1]/block#0/plan",
        "gather[1]/block#1/unsure",
        "total",
        "refuse",
    ]
    expect(node(page, "refuse")).to_have_attribute("aria-label", re.compile("^refuse, step, failed"))
    expect(node(page, "gather[0]/unsure")).to_have_attribute("aria-label", re.compile("succeeded.*2 attempts"))
    expect(page.locator("#summary")).to_contain_text("✗ failed")
    expect(page.locator("#failure")).to_contain_text("LookupError: nothing for 6 at refuse")


def test_a_click_shows_what_went_in_and_out_and_what_changed(opened: Open) -> None:
    page = opened(plan >> long_text, 2)
    node(page, "plan").click()
    panel = page.get_by_role("complementary", name="Details")
    for said in ("Plan what to do.", "tests.browser.test_report:plan", "✓ succeeded", "planned 2", "Input", "Output"):
        expect(panel).to_contain_text(said)
    node(page, "long_text").click()
    folded = panel.locator("details")
    expect(folded.locator("summary")).to_contain_text("(10000 characters)")
    expect(folded.locator("pre")).to_be_hidden()
    folded.locator("summary").click()
    expect(folded.locator("pre")).to_be_visible()


def test_the_result_of_the_run_is_shown(opened: Open) -> None:
    page = opened(plan >> same, 7)
    page.get_by_role("button", name="its result").click()
    expect(page.locator("#panel")).to_contain_text("The run gave7State at the end")
    expect(page.locator("#panel")).to_contain_text("planned 7")


def test_texts_of_the_run_are_no_markup(opened: Open) -> None:
    page = opened(unsure, 1)
    node(page, "unsure").click()
    expect(page.locator("#panel")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#panel img").count() == 0


def test_the_failing_step_is_one_click_away_wherever_it_is(opened: Open) -> None:
    page = opened(lift(numbers) >> each(same >> lift(inverse) >> long_text), 1000)
    page.get_by_role("button", name=re.compile("^at ")).click()
    expect(page.locator("#panel")).to_contain_text("ZeroDivisionError")


def test_a_failing_step_a_thousand_levels_deep_is_shown(opened: Open) -> None:
    flow: Flow[Any, Any, Any, Any] = refuse
    for _ in range(1_000):
        flow = flow.named("level")
    page = opened(plan >> flow, 1)
    page.get_by_role("button", name=re.compile("^at plan|^at level")).click()
    expect(page.locator("#panel h2")).to_have_text("refuse")
    expect(page.get_by_role("treeitem", name=re.compile("^refuse"))).to_be_focused()
    page.get_by_role("button", name="960 levels around").click()
    expect(page.get_by_role("button", name="920 levels around")).to_be_visible()


def test_the_graph_is_walked_with_the_keyboard(opened: Open) -> None:
    page = opened(plan >> gather(unsure, same), 1)
    page.get_by_role("treeitem").first.focus()
    expect(node(page, "plan")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(node(page, "gather")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(node(page, "gather[1]/same")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(node(page, "gather[0]/unsure")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_have_text("same")
    expect(page.locator("#panel h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(node(page, "gather[1]/same")).to_be_focused()


def test_the_timeline_is_walked_with_the_keyboard(opened: Open) -> None:
    page = opened(plan >> unsure >> same, 1)
    page.get_by_role("tab", name="Graph").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Timeline")).to_be_focused()
    expect(page.locator(".row")).to_have_count(4)
    rows = page.get_by_role("listbox")
    rows.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(rows).to_have_attribute("aria-activedescendant", "row-1")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text("✗ failed")
    page.keyboard.press("Escape")
    expect(rows).to_be_focused()


def test_the_timeline_shows_what_is_asked_for(opened: Open) -> None:
    page = opened(plan >> unsure >> refuse, 1)
    page.get_by_role("tab", name="Timeline").click()
    page.locator("#which").select_option("failed")
    expect(page.locator(".row")).to_have_count(2)
    page.locator("#filter").fill("REF")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator("#shown")).to_have_text("1 of 4")
    page.locator("#filter").fill("")
    page.locator("#which").select_option("critical")
    expect(page.locator(".row .bar.critical")).to_have_count(4)


def test_tasks_of_a_dag_stand_under_those_that_they_take(opened: Open) -> None:
    dag: Dag[int] = Dag()
    first = dag.add(plan, dag.input, name="first")
    second = dag.add(same, dag.input, name="second")
    last = dag.add(unsure, first, name="last", after=[second])
    page = opened(dag.flow(last), 1)
    tiers = [tier.get_by_role("treeitem").all_inner_texts() for tier in page.locator(".tier").all()]
    assert [len(tier) for tier in tiers] == [2, 1]
    node(page, "dag/last/unsure").click()
    expect(page.locator("#panel")).to_contain_text("Waits for")


@pytest.mark.parametrize("shape", ["chain", "each"])
def test_ten_thousand_steps_open_and_scroll(opened: Open, shape: str) -> None:
    flow: Flow[Any, Any, Any, Any] = same
    if shape == "chain":
        for _ in range(9_999):
            flow = flow >> same
        page = opened(flow, 1)
    else:
        page = opened(lift(range) >> each(same), 10_000)
    assert 60 <= page.get_by_role("treeitem").count() < 400
    page.get_by_role("button", name=re.compile("more$")).last.click()
    page.get_by_role("tab", name="Timeline").click()
    rows = page.get_by_role("listbox")
    assert page.locator(".row").count() < 100
    rows.evaluate("rows => { rows.scrollTop = rows.scrollHeight / 2 }")
    expect(page.locator("#row-5000")).to_be_visible()
    rows.focus()
    page.keyboard.press("End")
    expect(page.locator("#row-9999")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text("✓ succeeded")
    assert page.locator(".row").count() < 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_needs_no_scrolling_sideways(opened: Open, watched: Watched, scheme: Any) -> None:
    watched.page.set_viewport_size({"width": 400, "height": 800})
    watched.page.emulate_media(color_scheme=scheme)
    page = opened(plan >> gather(unsure, block, same) >> lift(max), 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    back, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert (brightness(back) > brightness(ink)) == (scheme == "light")


def brightness(colour: str) -> int:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_print_has_both_views_and_every_row(opened: Open) -> None:
    page = opened(lift(range) >> each(same), 200)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#view-graph")).to_be_visible()
    expect(page.locator("#view-time .row")).to_have_count(200)
    assert page.pdf()[:4] == b"%PDF"


# -- while a run goes on -----------------------------------------------------------------------------------------------

GATED = """
    import anyio
    from pathlib import Path
    from mce import each, lift, step


    @step
    async def wait(n: int) -> int:
        while not Path(f"go-{n}").exists():
            await anyio.sleep(0.01)
        return n


    @step
    async def then(n: int) -> str:
        return "<b>done</b>"


    flow = lift(range) >> each(wait >> then)
"""


def test_the_live_page_follows_the_run_to_its_end(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "gated.py").write_text(dedent(GATED))
    command = [sys.executable, "-m", "mce", "run", "gated.py:flow", "--input", "2", "--quiet", "--live"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        try:
            assert run.stderr is not None
            url = run.stderr.readline().decode().split()[-1]
            page = watched.page
            page.goto(url)
            expect(page.locator("#summary")).to_contain_text("2 running")
            expect(node(page, "each[0]/wait")).to_have_class(re.compile("running"))
            (tmp_path / "go-1").touch()
            expect(node(page, "each[1]/then")).to_have_class(re.compile("succeeded"))
            expect(page.locator("#summary")).to_contain_text("▶ running")
            (tmp_path / "go-0").touch()
            expect(page.locator("#summary")).to_contain_text("✓ succeeded")
            out, _ = run.communicate(timeout=30)
        finally:
            run.kill()
    assert (run.returncode, out) == (0, b"('<b>done</b>', '<b>done</b>')\n")
    assert {asked.removeprefix(url) for asked in watched.asked} == {"", "events"}
    node(page, "each[0]/then").click()
    expect(page.locator("#panel")).to_contain_text("<b>done</b>")


def test_a_drawn_graph_is_legible_in_the_dark(browser: Browser, tmp_path: Path) -> None:
    """Text is light and whatever it stands on dark, in every kind of node and box."""
    flow = (unsure >> lift(inverse)).recover(lambda _: same(1).map(float)) >> gather(long_text, long_text)
    drawn = tmp_path / "flow.svg"
    render(flow.graph(), drawn)
    page = browser.new_page(color_scheme="dark")
    page.goto(drawn.as_uri())
    lightness = """(query) => [...document.querySelectorAll(query)].map((shape) => {
        const [red, green, blue] = getComputedStyle(shape).fill.match(/\\d+/g).map(Number);
        return (red + green + blue) / 3;
    })"""
    on = page.evaluate(lightness, ".cluster path, .node:not(.fork, .join) :is(path, polygon:not([fill=none]), ellipse)")
    text = page.evaluate(lightness, ".node text, .cluster text")
    page.close()
    assert len(on) >= 8
    assert max(on) < 90
    assert min(text) > 180
