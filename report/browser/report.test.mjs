// The report in a real browser: every report that reports.sh has made, at four widths, in both themes, on paper,
// with what a reader may lack (scripts, styles, a network, a pointer).
//
//   run.sh                        makes the reports and runs this
//   run.sh --test-name-pattern=week

import assert from "node:assert/strict";
import fs from "node:fs";
import test, { after, before, describe } from "node:test";
import { fileOf, folder, launch, names, onPaper, unfold, using } from "./browser.mjs";
import * as check from "./checks.mjs";

const WIDTHS = [320, 400, 768, 1280];

/** Bytes of a file: a usual report, and the largest one (six stacks, a week of data). */
const BYTES = { usual: 300_000, largest: 600_000 };
const NODES = 1_500;
/** Sheets of A4: a usual report, and one with six stacks or a hundred phases. */
const PAGES = { usual: 8, largest: 10 };
const LOAD_MS = 1_000;
const size = (name) => (["week", "phases"].includes(name) ? "largest" : "usual");

/** More at a time than there are cores, for most of the time goes into waiting for one another. */
const concurrency = 3;

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

const on = (name, options, act) => () => using(browser, fileOf(name), options, act);
const none = (findings) => assert.deepEqual(findings, []);

test("the reports that the tests rely on are there", () => {
  const made = names();
  for (const name of ["spike", "idle", "invalid", "week", "single", "empty", "cut", "repeats"]) {
    assert.ok(made.includes(name), name);
  }
});

for (const name of names()) describe(`report ${name}`, { concurrency }, () => {
  test("keeps its budgets", on(name, {}, async (page) => {
    const bytes = fs.statSync(fileOf(name)).size;
    assert.ok(bytes <= BYTES[size(name)], `${bytes} bytes`);
    const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(nodes <= NODES, `${nodes} DOM nodes`);
    assert.ok(await quickestLoad(page) < LOAD_MS);
  }));

  test("asks for nothing, prints nothing to the console, is well built", on(name, {}, async (page) => {
    none(await check.structure(page));
    none(await check.legends(page));
    none(page.noise);
  }));

  for (const colorScheme of ["light", "dark"]) {
    test(`is accessible and legible: ${colorScheme}`, on(name, { colorScheme }, async (page) => {
      // What is folded away has to be accessible, too. Only colours depend on the theme.
      await unfold(page);
      none(await check.accessibility(page, colorScheme === "dark" ? ["color-contrast"] : undefined));
      none(await check.contrast(page));
      none(page.noise);
    }));
  }

  test("fits every width", on(name, {}, async (page) => {
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      none(labelled(`${width} px`, [
        ...await check.sideways(page), ...await check.labels(page), ...await check.frames(page),
      ]));
    }
    await unfold(page);
    await page.setViewportSize({ width: 320, height: 800 });
    none(labelled("320 px, unfolded", await check.sideways(page)));
  }));

  test("prints light on few pages, even from a dark page", on(name, { colorScheme: "dark" }, async (page) => {
    await pressTheme(page, "dark");
    const pdf = await page.pdf({ preferCSSPageSize: true });
    assert.ok(check.pages(pdf) <= PAGES[size(name)], `${check.pages(pdf)} pages`);
    await onPaper(page);
    none(await check.printed(page));
    none([...await check.labels(page), ...await check.frames(page)]);
    none(await check.contrast(page));
  }));

  test("is complete without JavaScript", on(name, { javaScriptEnabled: false }, async (page) => {
    const seen = await page.evaluate(() => ({
      button: document.querySelector("#theme").checkVisibility(),
      hidden: [...document.querySelectorAll("svg.plot path")].filter((path) => !path.checkVisibility()).length,
    }));
    assert.deepEqual(seen, { button: false, hidden: 0 }, "no button that does nothing, and every shape");
    await page.locator("summary").first().click();
    assert.equal(await page.locator("details[open]").count(), 1);
  }));

  for (const colorScheme of ["light", "dark"]) {
    test(`is readable without its styles and scripts: ${colorScheme}`, () => withoutStyles(name, colorScheme, async (page) => {
      assert.equal(await page.evaluate(() => getComputedStyle(document.body).margin), "8px", "styles are blocked");
      none(await check.labels(page));
      none(await check.contrast(page));
      const lines = await page.locator(".plot .l:not(.grid):not(.event)").evaluateAll((paths) =>
        paths.map((path) => [getComputedStyle(path).stroke, getComputedStyle(path).fill]));
      for (const [stroke, fill] of lines) {
        assert.match(stroke, /^rgb\((?!0, 0, 0\))/, "a line has the light theme's colour");
        assert.equal(fill, "none");
      }
    }));
  }

  test("keeps its charts in forced colours", on(name, {}, async (page) => {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ forcedColors: "active", colorScheme });
      none(labelled(colorScheme, await check.contrast(page)));
    }
  }));

  test("is reached and left by keyboard alone", on(name, {}, async (page) => {
    none(await check.stops(page));
  }));

  test("reads out the values of its charts by keyboard", on(name, {}, async (page) => {
    for (const frame of await page.locator(".frame").all()) {
      await readsByKeyboard(page, frame);
    }
    none(page.noise);
  }));
});

for (const name of ["spike", "idle", "repeats"]) {
  test(`${name}: verdict, figures and validity fill the first screen`, on(name, {}, async (page) => {
    for (const part of ["h1", ".kpi >> nth=3", ".validity > p"]) {
      const box = await page.locator(part).boundingBox();
      assert.ok(box.y + box.height <= 800, `${part} ends at ${box.y + box.height} px`);
    }
  }));
}

for (const name of ["spike", "idle"]) {
  test(`${name}: readouts say what tables say`, on(name, {}, async (page) => {
    none(await check.readouts(page));
  }));
}

test("figures of the first screen are those of summary.json", on("spike", {}, async (page) => {
  const summary = JSON.parse(fs.readFileSync(`${folder}/spike/summary.json`, "utf8"));
  for (const [card, name] of [[0, "cost-per-million"], [2, "backlog-max"]]) {
    const { estimates } = summary.metrics.find((metric) => metric.name === name);
    const figures = await page.locator(".kpi").nth(card).locator("li").all();
    assert.equal(figures.length, 2);
    for (const figure of figures) {
      const [stack, text] = (await figure.innerText()).split("\n");
      near(amount(text), estimates[stack].value, 0.01, `${name} of ${stack}`);
    }
  }
}));

test("the skip link leads past the header", on("spike", {}, async (page) => {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  assert.ok((await page.locator(".skip").boundingBox()).x >= 0, "it shows when it has the focus");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => location.hash), "#main");
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate(() => document.activeElement.closest("main")), "the next stop is in the results");
}));

test("links of the navigation show their section", on("spike", {}, async (page) => {
  for (const link of await page.locator("nav a").all()) {
    await link.click();
    const hidden = await page.evaluate(() => {
      const heading = document.querySelector(location.hash).getBoundingClientRect();
      return document.querySelector("nav").getBoundingClientRect().bottom > heading.top + 32;
    });
    assert.equal(hidden, false, await link.innerText());
  }
}));

test("the theme button goes around", on("spike", { colorScheme: "light" }, async (page) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await pressTheme(page, "light");
  assert.equal(await ground(), light);
  await pressTheme(page, "dark");
  assert.notEqual(await ground(), light);
  await pressTheme(page, "auto");
  assert.equal(await ground(), light);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.notEqual(await ground(), light, "auto follows the system");
}));

test("the pointer reads all charts over time at once", on("spike", {}, async (page) => {
  const plot = page.locator("#backlog svg.plot");
  await plot.scrollIntoViewIfNeeded();
  await plot.hover();
  const shown = page.locator(".tip:visible");
  const times = await shown.locator("> b").allInnerTexts();
  assert.ok(times.length >= 5, `${times.length} charts answer`);
  assert.equal(new Set(times).size, 1, `one instant, not ${[...new Set(times)]}`);
  none(await check.sideways(page));
  await page.mouse.move(2, 2);
  assert.equal(await shown.count(), 0);
}));

test("readouts stay on a phone", on("week", { viewport: { width: 320, height: 640 } }, async (page) => {
  for (const frame of await page.locator(".frame").all()) {
    await frame.focus();
    for (const key of ["Home", "PageDown", "End"]) {
      await page.keyboard.press(key);
      none(await check.sideways(page));
      const box = await frame.locator(".tip").boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= 320, `the readout spans ${box.x} to ${box.x + box.width} px`);
    }
  }
}));

test("motion is there only for those who want it", on("spike", { reducedMotion: "no-preference" }, async (page) => {
  const behaviour = () => page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior);
  assert.equal(await behaviour(), "smooth");
  await page.emulateMedia({ reducedMotion: "reduce" });
  assert.equal(await behaviour(), "auto");
  const moving = await page.evaluate(() => [...document.querySelectorAll("*")]
    .filter((e) => parseFloat(getComputedStyle(e).transitionDuration) || getComputedStyle(e).animationName !== "none").length);
  assert.equal(moving, 0);
}));

test("an invalid run names no winner anywhere", on("invalid", {}, async (page) => {
  assert.match(await page.locator("h1").innerText(), /^No verdict/);
  assert.equal(await page.locator(".best").count(), 0);
  assert.equal(await page.locator(".kpi .win", { hasNotText: "not judged" }).count(), 0);
  assert.ok(await page.locator(".validity.bad li").first().isVisible());
}));

test("a run without data says so", on("empty", {}, async (page) => {
  assert.match(await page.locator("h1").innerText(), /^No verdict/);
  assert.match(await page.locator("#latency .take").innerText(), /enough completed messages/);
  assert.equal(await page.locator("#latency svg").count(), 0);
}));

// ---- What the tests do ----

const labelled = (label, findings) => findings.map((finding) => `${label}: ${finding}`);

/** The machine may be busy, so the best of three counts. */
async function quickestLoad(page) {
  let best = Infinity;
  for (let i = 0; i < 3 && best >= LOAD_MS / 4; i += 1) {
    await page.reload();
    best = Math.min(best, await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd));
  }
  return best;
}

async function pressTheme(page, wanted) {
  const button = page.locator("#theme");
  for (let i = 0; i < 3 && !(await button.innerText()).endsWith(wanted); i += 1) await button.click();
  assert.ok((await button.innerText()).endsWith(wanted));
}

/** Serves the report with the headers that Jenkins gives to files of a build: no scripts, no inline styles. */
async function withoutStyles(name, colorScheme, act) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme });
  try {
    await context.route("**", (route) => route.fulfill({
      body: fs.readFileSync(fileOf(name), "utf8"),
      headers: {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "sandbox; default-src 'none'; img-src 'self'; style-src 'self'",
      },
    }));
    const page = await context.newPage();
    await page.goto("http://report.test/");
    await act(page);
  } finally {
    await context.close();
  }
}

/** Walks a chart by its keys and compares what it says with the numbers in the page. */
async function readsByKeyboard(page, frame) {
  const data = JSON.parse(await frame.locator("script").textContent());
  const last = Math.max(...data.series.map((series) => series.values.length)) - 1;
  const step = Math.ceil(last / 20);
  const tip = frame.locator(".tip");
  await frame.focus();
  assert.equal(await tip.isVisible(), false, "the readout waits for a key");
  const walk = [
    ["Home", 0], ["ArrowLeft", 0], ["ArrowRight", Math.min(1, last)], ["PageDown", Math.min(1 + step, last)],
    ["End", last], ["PageUp", Math.max(0, last - step)],
  ];
  for (const [key, index] of walk) {
    await page.keyboard.press(key);
    const { texts, place } = await frame.evaluate((element) => {
      const plot = element.querySelector("svg").getBoundingClientRect();
      const cursor = element.querySelector(".cursor").getBoundingClientRect();
      return {
        texts: [...element.querySelectorAll(".tip span")].map((row) => [row.firstChild.data, row.lastChild.textContent]),
        place: (cursor.left + cursor.width / 2 - plot.left) / plot.width,
      };
    });
    assert.deepEqual(texts.map((row) => row[0]), data.series.map((series) => series.name), `rows after ${key}`);
    texts.forEach(([name, text], i) => {
      const value = data.series[i].values[index];
      if (value == null) assert.equal(text, "–", `${name} after ${key}`);
      else near(amount(text, data.unit), value, 0.006, `${name} after ${key}: ${text}`);
    });
    near(place, (data.first + index * data.step - data.lo) / (data.hi - data.lo), 0.01, "place of the crosshair", 0.004);
  }
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".tip:visible, .cursor:visible").count(), 0, "Escape closes the readout");
}

const MILLISECONDS = { ms: 1, s: 1e3, min: 60e3, h: 3600e3 };

/** A number as people read it: without commas and units, times in milliseconds. */
function amount(text, unit) {
  const [, digits, suffix] = text.replaceAll(",", "").replace("−", "-").match(/(-?[\d.]+)\s*(\S*)/);
  return Number(digits) * (unit === "ms" ? MILLISECONDS[suffix] : 1);
}

function near(a, b, share, what, slack = 1e-9) {
  assert.ok(Math.abs(a - b) <= share * Math.max(Math.abs(a), Math.abs(b)) + slack, `${what}: ${a}, not ${b}`);
}
