"""The page: valid structure, titles as text and never markup, and behaviour in a real browser without a network."""

import math
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname

import pytest

from stages.report import page
from stages.samples.sample_set import Region
from tests.helpers import sample_reports

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Document(HTMLParser):
    """Every element of a page as [tag, attributes, text]. Raises AssertionError if tags are not balanced."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[list] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open, [self.elements[index][0] for index in self._open]

    def handle_starttag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), ""])
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data):
        for index in self._open:
            self.elements[index][2] += data

    def find_all(self, *tags: str) -> list[list]:
        return [element for element in self.elements if element[0] in tags]


@pytest.fixture(scope="module")
def text() -> str:
    return page.render_page(sample_reports.run())


@pytest.fixture(scope="module")
def whole(text) -> Document:
    return Document(text)


def text_of(document: Document) -> str:
    return re.sub("[ \n]+", " ", document.find_all("main")[0][2])


def test_the_notebook_is_compared_only_where_it_was_measured(text):
    html = page.render_page(sample_reports.run(notebook=sample_reports.notebook()))
    assert '<td class="extra">0.31</td>' in html and "93\u00a0%" in html and "24\u00a0%" in html
    assert "notebook" not in text


def test_ids_are_unique_and_every_reference_has_a_target(text, whole):
    ids = [attributes["id"] for _, attributes, _ in whole.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = re.findall(r'(?:href|xlink:href|aria-labelledby)="#?([\w-]+)"', text) + re.findall(
        r"url\(#([\w-]+)\)", text
    )
    assert {"listen", "run-heading"} <= set(targets) <= set(ids)


def test_no_heading_level_is_skipped(whole):
    levels = [int(tag[1]) for tag, _, _ in whole.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_picture_has_a_description_and_every_control_a_name(whole):
    pictures = [attributes for _, attributes, _ in whole.elements if attributes.get("role") == "img"]
    assert len(pictures) == 6 + 4  # charts, rolls
    assert all(len(attributes["aria-label"]) > 30 for attributes in pictures)
    assert all(attributes.get("aria-hidden") == "true" for _, attributes, _ in whole.find_all("svg"))
    names = [attributes["aria-label"] for _, attributes, _ in whole.find_all("audio")]
    assert names == ["Improvisation 1", "Continuation 1", "Infill 1", "The original of infill 1"]
    assert all(text.strip() for _, _, text in whole.find_all("a", "button", "caption", "th"))


def test_titles_are_text_and_never_markup(text):
    assert "<script>alert" not in text and "<b>Composer" not in text and "<i>more" not in text and "<x>" not in text
    document = Document(text)
    assert len(document.find_all("script")) == 1
    labels = [content for _, attributes, content in document.elements if attributes.get("class") == "label"]
    assert f"{sample_reports.COMPOSER}, {sample_reports.TITLE}" in " ".join(labels)


def test_nothing_is_loaded_from_another_host(whole):
    for tag, attributes, _ in whole.elements:
        for name in ("src", "href", "xlink:href", "srcset", "poster"):
            address = urlparse(attributes.get(name, ""))
            assert address.scheme in ("", "data") and not address.netloc, (tag, attributes)
    style = whole.find_all("style")[0][2]
    assert "url(" not in style and "@import" not in style


def test_numbers_of_the_run_are_on_the_page(whole):
    text = text_of(whole)
    for shown in (
        "9.50",
        "14.50",
        "≈ 7.94",
        "≈ 7.42",
        "12,345",
        "Music & <i>more</i>3 training pieces",
        "3 million",
        "2.0 passes over the data",
        "4 of 5stopped early",
        "test, infill, gap of 1 note",
        "in no other split, the total is 9.60",
        "Generated excerpts of 24 notes",
        "3.1\u00a0%",
    ):
        assert shown in text, shown


def test_tables_name_the_music_that_generated_music_is_compared_with(whole):
    headings = [text for _, _, text in whole.find_all("th")]
    assert headings.count("validation music") == 2  # of both measures of overlap
    assert headings[headings.index("descriptor") :][:3] == ["descriptor", "generated", "test music"]


def test_params_are_grouped_by_section(whole):
    captions = [text for _, _, text in whole.find_all("caption")]
    assert captions[:2] == ["train", "generate"]
    text = text_of(whole)
    assert "lstm_units384" in text and "statefultrue" in text and "top_p1, 0.98" in text


def test_published_results_are_shown_only_with_the_data_they_are_of():
    assert "Music Transformer" not in page.render_page(sample_reports.run(show_published=False))


def test_missing_parts_of_a_run_are_mentioned_and_break_nothing():
    html = page.render_page(
        sample_reports.run(
            nll=sample_reports.nll(test=False),
            overlap=sample_reports.overlap().assign(value=math.nan),
            descriptors=sample_reports.descriptors(excerpts=0),
            loss=sample_reports.loss(epochs=1, validation=False),
            distributions=sample_reports.distributions(()),
            cards=[],
            sources=[],
        )
    )
    Document(html)
    for message in ("no test music", "no samples to compare", "made no samples", "no notes"):
        assert message in html


def test_too_few_excerpts_for_an_overlap_are_shown_as_dashes():
    html = page.render_page(sample_reports.run(overlap=sample_reports.overlap().assign(value=math.nan)))
    assert "nan" not in "".join(text for _, _, text in Document(html).find_all("td")) and "width:nan" not in html
    assert '<th scope="row">pitch</th><td>–</td><td>–</td>' in html  # noqa: RUF001


def test_a_run_that_used_all_epochs_did_not_stop_early():
    params = {"train": {"epochs": 5}, "generate": {}}
    assert "stopped early" not in page.render_page(sample_reports.run(params=params))


def test_an_infill_and_its_original_share_their_scale():
    low = sample_reports.notes()
    high = low.assign(pitch=low["pitch"] + 30, start=low["start"] + 3)
    about = {"regions": (Region("infill", 1, 2),), "title": "t", "composer": "c"}
    cards = [
        sample_reports.card(low, name="infill-7", kind="infill", **about),
        sample_reports.card(high, name="original-7", kind="original", **about),
        sample_reports.card(low, name="infill-8", kind="infill", **about),
    ]
    document = Document(page.render_page(sample_reports.run(cards=cards)))
    rolls = [attributes for _, attributes, _ in document.elements if "data-seconds" in attributes]
    assert rolls[0]["style"] == rolls[1]["style"] != rolls[2]["style"]
    assert float(rolls[0]["data-seconds"]) == pytest.approx(11, abs=0.01)


# In a real browser, from file://.


@pytest.fixture(scope="module")
def folder(tmp_path_factory, text) -> Path:
    folder = tmp_path_factory.mktemp("a run") / "reports"  # a space, as many paths have
    sample_reports.write(folder)
    (folder / "index.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install -r requirements-dev.txt"
    )
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, folder):
    """Return a function that opens the page; its console must stay empty, and it may request only its own files."""
    problems, requests, contexts = [], [], []

    def open_page(width: int = 1200, theme: str = "light"):
        context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
        context.set_default_timeout(15_000)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
        context.on("request", lambda request: requests.append(request.url))
        tab.goto((folder / "index.html").as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    # Closing a page aborts the loading of its sound.
    assert not [problem for problem in problems if not problem.endswith(".mp3")]
    assert requests and all(url.startswith(("file://", "data:")) for url in requests), requests


LEFT = "parseFloat(document.querySelector('#improvisation-1 .playhead').style.left)"
TIME = "document.querySelector('#improvisation-1 audio').currentTime"


def test_playing_moves_the_playhead_with_the_sound(opened):
    tab = opened()
    roll = tab.locator("#improvisation-1 .roll")
    assert not tab.locator("#improvisation-1 .playhead").is_visible()
    assert (roll.get_attribute("role"), roll.get_attribute("aria-description")[:10]) == ("slider", "Piano roll")
    roll.focus()
    tab.keyboard.press("Space")
    tab.wait_for_function(f"{TIME} > 0.3 && {LEFT} > 0")
    early = tab.evaluate(LEFT)
    tab.wait_for_function(f"{LEFT} > {early} + 2")
    assert tab.locator("#improvisation-1 .sounding").get_attribute("d")  # sounding notes are highlighted
    tab.keyboard.press("Space")
    tab.wait_for_function("document.querySelector('#improvisation-1 audio').paused")
    left, time = tab.evaluate(f"[{LEFT}, {TIME}]")
    assert left == pytest.approx(100 * time / sample_reports.SECONDS, abs=1)
    assert float(roll.get_attribute("aria-valuenow")) == pytest.approx(time, abs=0.1)


def test_clicking_and_keys_seek(opened):
    tab = opened()
    roll = tab.locator("#improvisation-1 .roll")
    tab.wait_for_function("document.querySelector('#improvisation-1 audio').readyState >= 1")
    box = roll.bounding_box()
    roll.click(position={"x": box["width"] / 4, "y": box["height"] / 2})
    assert tab.evaluate(TIME) == pytest.approx(2, abs=0.05)
    roll.focus()
    for key, time in {"ArrowRight": 3, "ArrowLeft": 2, "PageUp": 8, "Home": 0, "End": 8}.items():
        tab.keyboard.press(key)
        assert tab.evaluate(TIME) == pytest.approx(time, abs=0.05), key
    assert tab.evaluate(LEFT) == pytest.approx(100, abs=1)


def test_one_sample_plays_at_a_time_and_buttons_go_to_the_part_of_interest(opened):
    tab = opened()
    tab.locator("#improvisation-1 .roll").focus()
    tab.keyboard.press("Space")
    tab.wait_for_function(f"{TIME} > 0")
    tab.get_by_role("button", name="Play the infill (Infill 1)").click()
    tab.wait_for_function("!document.querySelector('#infill-1 audio').paused")
    tab.wait_for_function("(audio => audio.paused && !audio.ended)(document.querySelector('#improvisation-1 audio'))")
    # The button of a continuation goes to 2 s before the end of its prompt, at 4 s.
    button = tab.get_by_role("button", name="Play the end of the prompt (Continuation 1)")
    assert float(button.get_attribute("data-seek")) == 2
    button.click()
    tab.wait_for_function("document.querySelector('#continuation-1 audio').currentTime >= 2")
    tab.wait_for_function("document.querySelector('#infill-1 audio').paused")


def test_every_link_resolves(opened, folder):
    tab = opened()
    addresses = tab.evaluate("[...document.querySelectorAll('a[href], audio')].map(e => e.href || e.src)")
    files = {address for address in addresses if "#" not in address}
    assert len(files) == 2 * 4
    for address in files:
        assert Path(url2pathname(urlparse(address).path)).is_file(), unquote(address)
    inside = [address.split("#")[1] for address in addresses if "#" in address]
    assert all(tab.evaluate(f"Boolean(document.getElementById('{name}'))") for name in inside) and len(inside) == 7
    tab.wait_for_function("[...document.querySelectorAll('audio')].every(audio => audio.duration > 7)")


@pytest.mark.parametrize("width", [320, 375, 800])
def test_no_screen_has_to_be_scrolled_sideways(opened, width):
    tab = opened(width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    small = "[...document.querySelectorAll('.chart text')].map(e => e.getBoundingClientRect().height)"
    assert width < 375 or min(tab.evaluate(small)) > 8  # px; charts stay readable


def test_the_keyboard_reaches_everything(opened):
    tab = opened()
    where = "e => [e.classList[0] ?? e.tagName, e.closest('.sample')?.id].join(' ').trim()"
    reached = set()
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate(f"({where})(document.activeElement)"))
    for name in ("improvisation-1", "continuation-1", "infill-1", "original-1"):
        assert {f"roll {name}", f"AUDIO {name}", f"download {name}"} <= reached
    assert "BUTTON continuation-1" in reached and "SUMMARY" in reached


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours rgb(r, g, b), 1 to 21 (WCAG 2.2, section 1.4.3)."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(opened, theme):
    tab = opened(theme=theme)
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    for selector in ("body", ".note", ".overline", "th", "main a"):
        assert contrast(tab.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color"), paper) > 4.5, (
            selector
        )
    tick = tab.evaluate("getComputedStyle(document.querySelector('.chart text')).fill")
    assert contrast(tick, paper) > 4.5
    assert (contrast(paper, "rgb(0, 0, 0)") < 2) == (theme == "dark")


def test_without_scripts_everything_can_still_be_played_and_seen(chromium, folder):
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((folder / "index.html").as_uri())
    assert tab.locator("audio").count() == tab.locator(".roll svg").count() == 4
    assert not tab.get_by_role("button", name="Play the infill").is_visible()
    context.close()
