// Makes the README's pictures from the report of scenarios/flash-crowd.toml.
//
//   run.sh --screenshots docs     (from the root of the repository)

import fs from "node:fs";
import path from "node:path";
import { fileOf, launch, using } from "./browser.mjs";

/** A picture in the README must not make the repository heavy. */
const MOST_BYTES = 250_000;

const folder = process.argv[2];
const browser = await launch();

/** The first screen, as it opens. */
const light = (page) => page.screenshot({ path: path.join(folder, "report-light.png") });

/** Two charts with the crosshair in the spike. */
async function dark(page) {
  await page.evaluate(() => {
    document.documentElement.style.scrollBehavior = "auto";
    document.querySelector("#backlog").scrollIntoView();
  });
  const plot = await page.locator("#backlog svg.plot").boundingBox();
  await page.mouse.move(plot.x + plot.width * 0.39, plot.y + plot.height / 2);
  await page.screenshot({ path: path.join(folder, "report-dark.png") });
}

const size = { width: 1280, height: 800 };
await using(browser, fileOf("spike"), { viewport: size, colorScheme: "light" }, light);
await using(browser, fileOf("spike"), { viewport: { ...size, height: 860 }, colorScheme: "dark" }, dark);
await browser.close();

for (const name of ["report-light.png", "report-dark.png"]) {
  const bytes = fs.statSync(path.join(folder, name)).size;
  console.log(`${name}: ${bytes} bytes`);
  if (bytes > MOST_BYTES) process.exitCode = 1;
}
