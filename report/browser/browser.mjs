// Chromium and the reports: what the tests and the screenshots share.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

// Without these, Chromium looks up hosts of its own at every start. The sandbox does not work for root.
const QUIET = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: QUIET });

/** The folder that reports.sh has filled. */
export const folder = process.env.REPORTS;

/** The names of all reports, which are the folders of their runs. */
export const names = () =>
  fs.readdirSync(folder).filter((name) => fs.existsSync(fileOf(name))).sort();

export const fileOf = (name) => path.join(folder, name, "report.html");

export const urlOf = (file) => pathToFileURL(file).href;

/**
 * Opens a report in a context of its own. `page.noise` collects what a report must never do: ask for anything, or
 * write to the console.
 */
export async function open(browser, file, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", offline: true, ...options,
  });
  const page = await context.newPage();
  const url = urlOf(file);
  page.noise = [];
  page.on("console", (message) => page.noise.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => page.noise.push(`error: ${error}`));
  page.on("request", (request) => request.url() === url || page.noise.push(`request: ${request.url()}`));
  page.on("dialog", (dialog) => { page.noise.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(url);
  return page;
}

/** Opens a report, does something with it, and closes it whatever happens. */
export async function using(browser, file, options, act) {
  const page = await open(browser, file, options);
  try {
    return await act(page);
  } finally {
    await page.context().close();
  }
}

/** Opens whatever is folded away. */
export const unfold = (page) =>
  page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));

/** The page as it is laid out on A4 with the margins of the style sheet. */
export async function onPaper(page) {
  await page.emulateMedia({ media: "print" });
  await page.setViewportSize({ width: Math.round((210 - 2 * 13) / 25.4 * 96), height: 1024 });
}
