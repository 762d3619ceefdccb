// What must hold of every report. Each check looks at an open page and returns what it found wrong, in words; no
// finding is a pass. They know nothing of single sections, so a new section is checked without a change here.

import fs from "node:fs";
import { createRequire } from "node:module";

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Violations of all rules of axe, or of some, with the first element of each. */
export async function accessibility(page, only) {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async (rules) => {
    const all = { rules: { "target-size": { enabled: true } } };
    const result = await axe.run({ resultTypes: ["violations"], ...(rules ? { runOnly: rules } : all) });
    return result.violations.map((v) => ({ id: v.id, nodes: v.nodes.length, first: v.nodes[0].html.slice(0, 160) }));
  }, only);
  return violations.map((v) => `axe ${v.id}: ${v.nodes} x, first ${v.first}`);
}

/** The page must fit the width; only tables, the scenario's text and the navigation scroll, in frames of their own. */
export const sideways = (page) => page.evaluate(() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} px wide, not ${root.clientWidth}`);
  const scrolls = (element) => /auto|scroll|hidden/.test(getComputedStyle(element).overflowX);
  for (const element of document.querySelectorAll("h1, h2, h3, p, li, dt, dd, figure, .frame, .tip, button, summary")) {
    let frame = element.parentElement;
    while (frame && !scrolls(frame)) frame = frame.parentElement;
    const box = element.getBoundingClientRect();
    if (!frame && box.width && box.right > root.clientWidth + 0.5) {
      found.push(`<${element.localName}> "${element.textContent.slice(0, 40)}" ends at ${Math.round(box.right)} px`);
    }
  }
  return found;
});

/** Labels of charts must neither touch one another, nor the words around the chart, nor leave the page. */
export const labels = (page) => page.evaluate(() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  const named = (element) => `"${element.textContent.trim().slice(0, 40)}"`;
  const boxed = (elements) => [...elements].map((element) => ({ element, box: element.getBoundingClientRect() }))
    .filter(({ box }) => box.width && box.height);
  // Boxes are as high as the line, which letters do not fill.
  const touch = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;

  for (const plot of document.querySelectorAll("svg.plot")) {
    const section = plot.closest("section");
    const texts = boxed(plot.querySelectorAll("text"));
    const around = boxed(section.querySelectorAll("h2, h3, .take, .bar > *, .note, summary"));
    texts.forEach(({ element, box }, i) => {
      if (box.left < 0 || box.right > width) found.push(`${section.id}: ${named(element)} leaves the page`);
      for (const other of [...texts.slice(i + 1), ...around]) {
        if (touch(box, other.box)) found.push(`${section.id}: ${named(element)} overlaps ${named(other.element)}`);
      }
    });
  }
  return found;
});

/** Small multiples stand side by side: the labels of one must not reach into the next. */
export const frames = (page) => page.evaluate(() => {
  const found = [];
  for (const frame of document.querySelectorAll(".frame")) {
    const outer = frame.getBoundingClientRect();
    for (const text of frame.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      const out = Math.max(outer.left - box.left, box.right - outer.right);
      if (box.width && out > 1) found.push(`${frame.closest("section").id}: "${text.textContent}" leaves its frame by ${Math.round(out)} px`);
    }
  }
  return found;
});

/** Every text has a contrast of 4.5, computed: axe leaves out text in pictures. Lines of charts have 3. */
export const contrast = (page) => page.evaluate(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  // A canvas turns any notation of a colour into bytes.
  const bytes = (...layers) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const layer of layers) {
      canvas.fillStyle = layer;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const page = getComputedStyle(document.body).backgroundColor;
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    // Words of a picture may stand on a rectangle of it.
    const box = element.getBoundingClientRect(), middle = (box.left + box.right) / 2;
    for (const rect of element.ownerSVGElement?.querySelectorAll("rect") ?? []) {
      const under = rect.getBoundingClientRect();
      if (under.left <= middle && middle <= under.right && under.top <= box.bottom && box.top <= under.bottom) {
        layers.push(getComputedStyle(rect).fill);
      }
    }
    return bytes("Canvas", ...layers);
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || /script|style/i.test(element.localName)) continue;
    const style = getComputedStyle(element), back = behind(element);
    const value = ratio(bytes(`rgb(${back.slice(0, 3)})`, element.ownerSVGElement ? style.fill : style.color), back);
    if (value < 4.5) found.add(`text "${element.textContent.trim().slice(0, 30)}" has contrast ${value.toFixed(2)}`);
  }
  // A line crosses the page's colour and every other phase's band.
  const bands = [...document.querySelectorAll(".f.band")].slice(0, 1).map((band) => getComputedStyle(band).fill);
  for (const line of document.querySelectorAll(".plot .l:not(.grid)")) {
    for (const back of [page, ...bands]) {
      const value = ratio(bytes(back, getComputedStyle(line).stroke), bytes("Canvas", back));
      if (value < 3) found.add(`line .${line.getAttribute("class").replaceAll(" ", ".")} has contrast ${value.toFixed(2)}`);
    }
  }
  return [...found];
});

/** Headings, language, links, names of pictures, tables of charts, and a sentence in every section. */
export const structure = (page) => page.evaluate(() => {
  const found = [];
  const say = (condition, words) => condition || found.push(words);
  say(document.documentElement.lang === "en", "no language");
  say(document.title.trim(), "no title");
  say(document.querySelectorAll("h1").length === 1, `${document.querySelectorAll("h1").length} h1`);

  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  say(new Set(ids).size === ids.length, "an id stands twice");
  for (const link of document.querySelectorAll("a")) {
    const href = link.getAttribute("href") ?? "";
    say(href.startsWith("#") && document.getElementById(href.slice(1)), `link to nowhere: ${href}`);
  }
  const linked = new Set([...document.querySelectorAll("nav a")].map((link) => link.hash.slice(1)));
  for (const section of document.querySelectorAll("main > section")) {
    say(linked.has(section.id), `section ${section.id} is not in the navigation`);
    const heading = section.querySelector("h2, h3")?.textContent.trim() || section.getAttribute("aria-label");
    say(heading, `section ${section.id} has no heading`);
    say(section.textContent.trim().length > 40, `section ${section.id} is empty`);
  }
  for (const take of document.querySelectorAll(".take")) {
    say(/[.!?]$/.test(take.textContent.trim()), `not a sentence: "${take.textContent.trim().slice(-30)}"`);
  }
  for (const plot of document.querySelectorAll("svg.plot")) {
    const section = plot.closest("section");
    const labels = (plot.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id));
    say(labels.length && labels.every((label) => label?.textContent.trim()), `${section.id}: the picture has no name`);
    say(section.querySelector("table tbody tr"), `${section.id}: no table for the picture`);
    say(plot.querySelector("path.l, path.f:not(.band)"), `${section.id}: nothing is drawn`);
    say(plot.querySelectorAll("text").length > 2, `${section.id}: axes without labels`);
  }
  for (const table of document.querySelectorAll("table")) {
    const width = (row) => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0);
    const widths = new Set([...table.rows].map(width));
    say(widths.size === 1, `table in ${table.closest("section").id}: rows of ${[...widths]} cells`);
    say([...table.tHead.rows[0].cells].every((cell) => cell.textContent.trim()), "a column without a heading");
  }
  // What a careless format lets through.
  const text = document.body.innerText;
  for (const wrong of [/\bNaN\b/, /\bundefined\b/, /\binf\b/, /\[object/, /\d-\d+ %/, /\bnull\b/]) {
    const hit = text.match(wrong);
    say(!hit, `the page says ${hit}`);
  }
  return found;
});

/** What a section tells apart must be in its legend: each colour and weight that is drawn has a key. */
export const legends = (page) => page.evaluate(() => {
  const found = [];
  for (const section of document.querySelectorAll("section:has(figure .legend li)")) {
    // Small multiples carry their stack's name as a heading.
    if (section.querySelector(".plots.many")) continue;
    const keys = [...section.querySelectorAll(".legend li")].map((key) => key.className.split(" ")[0]);
    for (const path of section.querySelectorAll(".plot .l, .plot .f")) {
      const role = [...path.classList].find((name) => /^s\d$|^load$/.test(name));
      if (role && !keys.includes(role)) found.push(`${section.id}: no key for .${role}`);
    }
  }
  return [...new Set(found)];
});

/** In print nothing may stick out to the right, and what is folded away on screen must be there. */
export const printed = (page) => page.evaluate(() => {
  const found = [];
  const edge = document.querySelector("main").getBoundingClientRect().right + 1;
  for (const element of document.querySelectorAll("table, th, td, pre, dd, .plot text, .kpi, p, h1, h2")) {
    const box = element.getBoundingClientRect();
    if (box.right > edge) {
      const where = element.closest("section")?.id ?? "header";
      found.push(`${where}: <${element.localName}> "${element.textContent.slice(0, 30)}" is ${Math.round(box.right - edge)} px too wide`);
    }
  }
  for (const details of document.querySelectorAll("details")) {
    const content = [...details.children].find((child) => child.localName !== "summary");
    if (!content.getBoundingClientRect().height || !content.checkVisibility({ contentVisibilityAuto: true })) {
      found.push(`folded away: ${details.querySelector("summary").textContent}`);
    }
  }
  for (const element of document.querySelectorAll("nav, button, .tip, .cursor")) {
    if (element.checkVisibility()) found.push(`on paper: <${element.localName} class="${element.className}">`);
  }
  if (getComputedStyle(document.body).backgroundColor !== "rgb(255, 255, 255)") found.push("the paper is not white");
  return found.slice(0, 12);
});

/** Presses Tab until the page is left, and says which stop cannot be seen and what is no stop but should be one. */
export async function stops(page) {
  const found = [];
  const expected = await page.evaluate(() => {
    const able = [...document.querySelectorAll("a, button, summary, .frame, .scroll, [tabindex='0']")].filter((e) => e.checkVisibility());
    able.forEach((element, i) => { element.dataset.stop = i; });
    return able.length;
  });
  const seen = new Set();
  for (let i = 0; i <= expected; i += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const style = getComputedStyle(element), box = element.getBoundingClientRect();
      const nav = document.querySelector("nav").getBoundingClientRect();
      const covered = !element.closest("nav, header, .skip") && nav.top <= 0 && box.bottom < nav.bottom;
      return {
        stop: element.dataset.stop ?? "none",
        what: `<${element.localName} class="${element.className}"> in ${element.closest("section, nav, header")?.id}`,
        ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        there: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && !covered,
      };
    });
    if (!at) break;
    if (!at.ring) found.push(`no focus ring: ${at.what}`);
    if (!at.there) found.push(`out of sight: ${at.what}`);
    seen.add(at.stop);
  }
  if (seen.size !== expected) found.push(`${seen.size} of ${expected} stops are reached`);
  return found;
}

/** Tables are made from the same data as charts, by another way. */
export const readouts = (page) => page.evaluate(() => {
  const found = [];
  const amount = (text) => {
    const match = text.replaceAll(",", "").replace("−", "-").match(/(-?[\d.]+)\s*(ms|s|min|h)?/);
    return match && Number(match[1]) * ({ s: 1e3, min: 60e3, h: 3600e3 }[match[2]] ?? 1);
  };
  const close = (a, b, share) => Math.abs(a - b) <= share * Math.max(Math.abs(a), Math.abs(b));
  const data = (id) => JSON.parse(document.querySelector(`#${id} .frame script`).textContent);
  const rows = (id) => Object.fromEntries([...document.querySelectorAll(`#${id} tbody tr`)]
    .map((row) => [row.cells[0].textContent, [...row.cells].slice(1).map((cell) => cell.textContent)]));
  const compare = (what, shown, read, share) => {
    if (!close(amount(shown), read, share)) found.push(`${what}: ${shown} in the table, ${read} in the chart`);
  };

  const percentiles = data("percentiles"), table = rows("percentiles");
  for (const [row, nines] of [["p90", 1], ["p99", 2]]) {
    const index = Math.round((nines - percentiles.first) / percentiles.step);
    percentiles.series.forEach((series, i) => {
      if (series.values[index] != null) compare(`${row} of ${series.name}`, table[row][i], series.values[index], 0.02);
    });
  }
  const cost = data("cost"), bill = rows("cost")["This run"].filter((cell) => cell);
  cost.series.forEach((series, i) => {
    compare(`cost of ${series.name}`, bill[i], series.values.findLast((v) => v != null), 0.02);
  });
  // The largest value of a chart is the largest of its table, whatever phase it falls into.
  const backlog = data("backlog");
  backlog.series.forEach((series, i) => {
    const column = [...document.querySelectorAll("#backlog thead th")].findIndex((th) => th.textContent.startsWith(`${series.name}:`));
    const cells = [...document.querySelectorAll("#backlog tbody tr")].map((row) => amount(row.cells[column].textContent) ?? 0);
    if (!close(Math.max(...cells), Math.max(...series.values), 0.001)) found.push(`backlog of ${series.name}`);
  });
  return found;
});

/** The number of pages of a PDF. */
export const pages = (pdf) => pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length ?? 0;
