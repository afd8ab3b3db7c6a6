// What the checks of the page share: a browser, a way to run a check, and what a reader does again and again.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import axe from "axe-core";
import { chromium } from "playwright-core";

export const server = process.env.ASHATAI_SERVER;
const profile = mkdtempSync(join(tmpdir(), "ashatai-page-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.ASHATAI_TEST_CHROMIUM,
  headless: true,
  viewport: { width: 1280, height: 800 },
  acceptDownloads: true,
  permissions: ["clipboard-read", "clipboard-write"],
  // No sandbox of its own, which a container forbids to root; and nothing that calls home.
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
browser.setDefaultTimeout(Number(process.env.ASHATAI_PAGE_WAIT) || 60_000); // in ms; shorter where somebody waits for it

let passed = 0;
let failed = 0;
export const only = process.env.ASHATAI_PAGE_ONLY;

// check opens the page and runs body on it. Nothing may stand in the browser's console, and nothing may be asked of another
// server; options: theme, width, hash (where to begin), at (another server), complains (the console is not looked at).
export async function check(name, options, body) {
  if (only && !name.includes(only)) return;
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => r.url().startsWith(options.at ?? server) || r.url().startsWith("blob:") || complaints.push(`a request to ${r.url()}`));
  try {
    await page.emulateMedia({ colorScheme: options.theme ?? "light" });
    await page.setViewportSize({ width: options.width ?? 1280, height: 800 });
    await options.before?.(page);
    await page.goto(`${options.at ?? server}/${options.hash ?? ""}`);
    if (!options.hash) await page.waitForFunction(() => document.getElementById("model")?.disabled === false);
    await body(page);
    if (!options.complains) assert.deepEqual(complaints, [], "the browser's console");
    passed++;
    console.log(`ok - ${name}`);
  } catch (e) {
    failed++;
    console.log(`not ok - ${name}\n${e.stack}\n${complaints.join("\n")}`);
    if (process.env.ASHATAI_PAGE_SHOTS) await page.screenshot({ path: `${process.env.ASHATAI_PAGE_SHOTS}/failed-${failed}.png` });
  } finally {
    await page.evaluate(() => localStorage.clear()).catch(() => undefined);
    await page.close();
  }
}

// end closes the browser, says how it went, and ends the process.
export async function end() {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

const completions = "**/v1/chat/completions";

// change adds fields to the page's chat requests, so that an answer is the same each time or never ends by itself.
export async function change(page, fields) {
  await page.route(completions, (route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), ...fields }) }));
}

export const asItIs = (page) => page.unroute(completions);

// serve starts a server of its own for checks that change what others look at. settings are the text of its file; begun says
// when it is far enough, from the lines that it printed; sealed are credentials that the settings name.
export async function serve(settings = "", { begun = (lines) => /^ready /m.test(lines), addr = "127.0.0.1:0", sealed = {} } = {}) {
  const home = mkdtempSync(join(tmpdir(), "ashatai-page-home-"));
  for (const [name, input] of Object.entries(sealed)) execFileSync(join(process.env.ASHATAI_TEST_BIN, "ashatai"), ["secret", "set", name, "--home", home], { input });
  writeFileSync(join(home, "ashatai.yaml"), settings, { mode: 0o600 });
  const child = spawn(join(process.env.ASHATAI_TEST_BIN, "ashatai"), ["serve", "--addr", addr, "--home", home], { stdio: ["ignore", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (b) => { complaint = (complaint + b).slice(-4000); });
  let lines = "";
  for await (const line of createInterface({ input: child.stdout })) {
    lines += `${line}\n`;
    if (begun(lines)) break;
  }
  child.stdout.resume();
  const at = /^ready (\S+)$/m.exec(lines)?.[1];
  if (!at) throw new Error(`the server did not start: ${complaint}`);
  const stop = async () => {
    child.kill("SIGTERM");
    await new Promise((resolve) => { child.exitCode === null ? child.once("exit", resolve) : resolve(); });
    rmSync(home, { recursive: true, force: true });
  };
  return { at, lines, stop };
}

// shot keeps a picture of the page where somebody wants to look at them.
export async function shot(page, name) {
  if (process.env.ASHATAI_PAGE_SHOTS) await page.screenshot({ path: `${process.env.ASHATAI_PAGE_SHOTS}/${name}.png` });
}

// looks runs body, which shows a view, in both themes and at a desk's and a phone's width: accessible and inside the window.
export async function looks(name, options, body) {
  for (const theme of ["light", "dark"]) {
    for (const width of [1280, 375]) {
      await check(`${name} is accessible and inside the window: ${theme}, ${width} px`, { ...options, theme, width }, async (page) => {
        await body(page);
        await accessible(page);
        await shot(page, `${name.replace(/\W+/g, "-")}-${theme}-${width}`);
      });
    }
  }
}

// states goes through what a view shows while it loads, when its data cannot be read, and when the server is away. path is
// what it asks for, ready a part of the page that is there when it is known.
export async function states(page, path, ready) {
  let go;
  const held = new Promise((resolve) => { go = resolve; });
  await page.route(path, async (route) => { await held; await route.continue().catch(() => undefined); });
  await page.reload();
  await page.waitForSelector(".ghost");
  await accessible(page);
  go();
  await page.waitForSelector(ready);
  await page.unroute(path);
  await page.route(path, (route) => route.fulfill({ status: 500, contentType: "application/json", body: '{"error":{"code":"internal","message":"It is broken."}}' }));
  await page.reload();
  await page.waitForSelector(".failure");
  assert.match(await page.textContent(".failure"), /It is broken\./);
  await accessible(page);
  await page.unroute(path);
  await page.click(".failure button");
  await page.waitForSelector(".failure", { state: "detached" });
  await page.waitForSelector(ready);
  const all = /\/(v1|api|health)\//;
  await page.route(all, (route) => route.abort("connectionrefused"));
  await page.evaluate(() => { location.hash = "#/chat"; });
  await page.waitForSelector("#banner");
  await page.goBack();
  await page.waitForSelector(".failure");
  await accessible(page);
  await page.unroute(all);
  await page.waitForSelector(ready);
  await page.waitForSelector("#banner", { state: "detached" });
}

const event = (x) => `data: ${JSON.stringify(x)}\n\n`;

// reply puts a made answer in the server's place, where the text must be a certain one. A delta is a text or an object.
export async function reply(page, delta, { status = 200, finish = "stop" } = {}) {
  const deltas = (Array.isArray(delta) ? delta : [delta]).map((d) => (typeof d === "string" ? { content: d } : d));
  await page.route(completions, (route) => route.fulfill({
    status,
    contentType: status === 200 ? "text/event-stream" : "application/json",
    headers: status === 429 ? { "retry-after": "7" } : {},
    body: status === 200
      ? deltas.map((d) => event({ choices: [{ index: 0, delta: d }] })).join("") + event({ choices: [{ index: 0, delta: {}, finish_reason: finish }] }) + "data: [DONE]\n\n"
      : JSON.stringify({ error: { message: delta } }),
  }));
}

export async function ask(page, text) {
  await page.fill("#prompt", text);
  await page.press("#prompt", "Enter");
}

// finished waits until n answers are shown, none grows, and the page and the server agree on what is kept.
export async function finished(page, n = 1) {
  await page.waitForFunction((count) => document.querySelectorAll(".turn.model:not(.busy)").length === count && !document.querySelector(".busy"), n);
  await page.waitForLoadState("networkidle");
}

export const once = (page, path, method) => page.waitForRequest((r) => r.url().includes(path) && r.method() === method);

// cut, in the page, is what sticks out of its card, besides what may: boxes that scroll, and drawings.
function cut() {
  const may = ".scrolls, .subviews, pre, .plot, .bar-ledger";
  const out = (e) => e.getBoundingClientRect().width > 1 && e.getBoundingClientRect().right > e.closest(".card").getBoundingClientRect().right + 1;
  return [...document.querySelectorAll(".card *")].filter((e) => !e.closest(may) && out(e)).map((e) => `${e.tagName}.${e.className}#${e.id}`);
}

export async function accessible(page) {
  await page.evaluate(axe.source);
  const result = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  assert.deepEqual(result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target + " " + n.failureSummary).join(" | ")}`), []);
  assert.deepEqual(await page.evaluate(cut), [], "what is cut off at the edge of a card");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `the page scrolls sideways: ${await page.evaluate(() => [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scrolls, pre, .table")).map((e) => e.tagName + "." + e.className).join(" "))}`);
}
