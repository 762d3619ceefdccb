// Proves that the checks can fail: each test breaks a good report in one way and expects the finding that names it.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileOf, launch, onPaper, using } from "./browser.mjs";
import * as check from "./checks.mjs";

let browser, scratch;
before(async () => {
  browser = await launch();
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), "versus-broken-"));
});
after(async () => {
  await browser?.close();
  fs.rmSync(scratch, { recursive: true, force: true });
});

/** Breaks the report of `run` and expects that `look` at it finds something like `finding`. */
function breaking(what, { run = "spike", options = {}, replace, look, finding }) {
  test(what, async () => {
    const good = fs.readFileSync(fileOf(run), "utf8");
    const broken = replace.reduce((html, [from, to]) => html.replace(from, to), good);
    // Not by assert's own comparison, which would print both pages.
    assert.ok(broken !== good, "the report no longer has what is to be broken");
    const file = path.join(scratch, `${what.replaceAll(/\W+/g, "-")}.html`);
    fs.writeFileSync(file, broken);
    const found = await using(browser, file, options, look);
    assert.ok(found.some((text) => finding.test(text)), `nothing like ${finding} in ${JSON.stringify(found, null, 1)}`);
  });
}

const noise = async (page) => {
  await page.waitForTimeout(100);
  return page.noise;
};
const narrow = { viewport: { width: 320, height: 800 } };
const POLICY = /<meta http-equiv="Content-Security-Policy"[^>]*>/;

describe("a check notices", { concurrency: 2 }, () => {
  breaking("an image from elsewhere", {
    replace: [["</main>", '<img src="http://example.invalid/a.png" alt=""></main>']],
    look: noise, finding: /console: .*Content Security Policy/,
  });
  breaking("a request that no policy stops", {
    replace: [[POLICY, ""], ["</main>", '<img src="http://example.invalid/a.png" alt=""></main>']],
    look: noise, finding: /request: http:\/\/example.invalid/,
  });
  breaking("a word on the console", {
    replace: [['"use strict";', '"use strict"; console.log("here");']],
    look: noise, finding: /console: here/,
  });
  breaking("a script that fails", {
    replace: [['"kind":"time"', '"kind":"time" broken']],
    look: noise, finding: /error: SyntaxError/,
  });
  breaking("grey that is too weak", {
    replace: [[/--mute: light-dark\(#\w+/, "--mute: light-dark(#a9b0b8"]],
    look: check.contrast, finding: /has contrast 2\.\d\d/,
  });
  breaking("grey that is too weak, as axe sees it", {
    replace: [[/--mute: light-dark\(#\w+/, "--mute: light-dark(#a9b0b8"]],
    look: check.accessibility, finding: /color-contrast/,
  });
  breaking("a line that fades into the dark page", {
    replace: [[/(--s1: light-dark\(#\w+, )#\w+/, "$1#2a3440"]], options: { colorScheme: "dark" },
    look: check.contrast, finding: /line \.l\.s1/,
  });
  breaking("a button without a name", {
    replace: [["</main>", "<button></button></main>"]],
    look: check.accessibility, finding: /button-name/,
  });
  breaking("labels that are no longer thinned", {
    run: "week", replace: [[/\.plot \.alt \{ display: none \}/, ""]], options: narrow,
    look: check.labels, finding: /overlaps/,
  });
  breaking("a label too many", {
    replace: [[/(<text[^>]*>)0<\/text>/, "$&$10</text>"]],
    look: check.labels, finding: /"0" overlaps "0"/,
  });
  breaking("a label beyond the edge of the page", {
    replace: [[/(<svg class="plot".*?<text )[^>]*>/s, '$1x="100%" dx="200">']],
    look: check.labels, finding: /leaves the page/,
  });
  breaking("a label that is wider than its frame", {
    replace: [[/padding: 0 14px 26px calc[^;]+;/, "padding: 0 14px 26px 20px;"]],
    look: check.frames, finding: /leaves its frame/,
  });
  breaking("a word that does not fit a phone", {
    replace: [["</h1>", `<span style="white-space:nowrap">${"wide ".repeat(30)}</span></h1>`]], options: narrow,
    look: check.sideways, finding: /the page is \d+ px wide/,
  });
  breaking("a line without a key", {
    replace: [[/<li class="s2">/g, '<li class="s5">']],
    look: check.legends, finding: /no key for \.s2/,
  });
  breaking("a link to nowhere, and a section that none leads to", {
    replace: [[/href="#backlog"/, 'href="#backlogs"']],
    look: check.structure, finding: /section backlog is not in the navigation/,
  });
  breaking("a picture without a table", {
    replace: [[/(id="backlog">.*?)<tbody>.*?<\/tbody>/s, "$1<tbody></tbody>"]],
    look: check.structure, finding: /backlog: no table/,
  });
  breaking("a number that is none", {
    replace: [[/<dd>[^<]*<\/dd>/, "<dd>NaN ms</dd>"]],
    look: check.structure, finding: /the page says NaN/,
  });
  breaking("a focus that does not show", {
    replace: [[/:focus-visible \{[^}]*\}/, ":focus-visible { outline: none }"]],
    look: check.stops, finding: /no focus ring/,
  });
  breaking("a chart that Tab passes by", {
    replace: [[/(<figure class="frame[^"]*" )tabindex="0"/, '$1tabindex="-1"']],
    look: check.stops, finding: /(\d+) of (?!\1)\d+ stops are reached/,
  });
  breaking("a readout that disagrees with its table", {
    replace: [[/(id="cost">.*?"values":\[[^\]]*),([\d.]+)\]/s, "$1,999]"]],
    look: check.readouts, finding: /cost of ecs/,
  });
  breaking("what is folded away on paper", {
    replace: [[/details::details-content \{[^}]*\}/, ""]],
    look: async (page) => { await onPaper(page); return check.printed(page); },
    finding: /folded away/,
  });
  breaking("dark paper", {
    replace: [[/:root, :root\[data-theme\] \{ color-scheme: light \}/, ""]], options: { colorScheme: "dark" },
    look: async (page) => { await onPaper(page); return check.printed(page); },
    finding: /the paper is not white/,
  });
  breaking("a table that is wider than the paper", {
    replace: [[/th, td \{ padding: 1px 8px 1px 0; white-space: normal \}/, "th, td { padding: 2px 90px 2px 90px; white-space: nowrap }"]],
    look: async (page) => { await onPaper(page); return check.printed(page); },
    finding: /px too wide/,
  });
});
