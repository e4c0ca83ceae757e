// Drives Chromium as a person would, and prints what it saw as JSON, one line for each look.
//
//   node look.mjs TOOLS CHROMIUM < plan.json
//
// TOOLS is the folder whose node_modules has playwright-core and axe-core. The plan has a
// link to open first, and looks: each a path, light or dark, with or without JavaScript, and
// perhaps a file for a picture.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [tools, executablePath] = process.argv.slice(2);
const require = createRequire(`${tools}/package.json`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const plan = JSON.parse(readFileSync(0, "utf8"));
const say = (seen) => console.log(JSON.stringify(seen));

// Nothing is asked of the network but the page.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"] });

// open is a browser of its own that has come in by the link.
async function open({ dark = false, script = true, width = 1280, height = 800 }) {
  const context = await browser.newContext({ colorScheme: dark ? "dark" : "light", javaScriptEnabled: script, viewport: { width, height }, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.noise = [];
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") page.noise.push(m.text()); });
  page.on("pageerror", (e) => page.noise.push(String(e)));
  page.on("request", (r) => { if (!r.url().startsWith(plan.origin)) page.noise.push(`asks ${r.url()}`); });
  await page.goto(plan.link);
  return page;
}

async function look(one) {
  const page = await open(one);
  await page.goto(plan.origin + one.path);
  const seen = { path: one.path, dark: !!one.dark, script: one.script !== false, title: await page.title(), heading: (await page.textContent("h1")).trim(),
    text: await page.innerText("main"), rows: await page.locator("tbody tr").count(), noise: page.noise, violations: [],
    overflow: await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth").catch(() => 0) };
  if (one.script !== false) { // axe is run beside the page's policy, not through it
    const cdp = await page.context().newCDPSession(page);
    const { frameTree } = await cdp.send("Page.getFrameTree");
    const { executionContextId: contextId } = await cdp.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
    await cdp.send("Runtime.evaluate", { expression: axe, contextId });
    const { result } = await cdp.send("Runtime.evaluate", { contextId, awaitPromise: true, returnByValue: true,
      expression: "axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html).join(' | ')}`))" });
    seen.violations = result.value ?? ["axe did not run"];
  }
  if (one.picture) await page.screenshot({ path: one.picture, fullPage: !!one.full });
  await page.context().close();
  say(seen);
}

// keys goes through a page by Tab alone, and opens what the last one is on.
async function keys({ path, until }) {
  const page = await open({});
  await page.goto(plan.origin + path);
  const seen = [];
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => { const e = document.activeElement, s = getComputedStyle(e); return { text: (e.innerText || e.getAttribute("aria-label") || e.name || "").trim(), outline: s.outlineStyle }; });
    seen.push(at);
    if (at.text === until) break;
  }
  await page.keyboard.press("Enter");
  await page.waitForLoadState();
  say({ keys: seen, heading: (await page.textContent("h1")).trim() });
  await page.context().close();
}

// live waits until a page says something by itself. What it waits for is made to happen by
// who reads "ready".
async function live({ path, text }) {
  const page = await open({});
  let loads = 0;
  page.on("load", () => loads++);
  await page.goto(plan.origin + path);
  await page.locator("#live.on").waitFor();
  loads = 0;
  say({ ready: path });
  await page.locator("#body", { hasText: text }).waitFor({ timeout: 30000 });
  say({ live: text, loads });
  await page.context().close();
}

for (const one of plan.looks) await look(one);
for (const one of plan.keys ?? []) await keys(one);
for (const one of plan.live ?? []) await live(one);
await browser.close();
