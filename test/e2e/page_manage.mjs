// What an admin looks after beside accounts: quotas, the record of acts, settings and features. On a server of its own.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { accessible, check, looks, only, serve, states } from "./harness.mjs";

if (!only || "manage".includes(only.split(":")[0])) {
  const { at, stop } = await serve("runtime:\n  type: mock\nfeatures:\n  optimize: operator,admin\nlogs:\n  level: warn\n");
  const ask = async (path) => (await fetch(`${at}${path}`)).json();

  await check("manage: a quota is set, changed and removed", { at, hash: "#/admin/quotas" }, async (page) => {
    await page.waitForSelector(".card .hint");
    assert.match(await page.textContent("main"), /There is no quota/);
    await accessible(page);
    await page.selectOption("#quota-kind", "model");
    await page.selectOption("#quota-unit", "requests");
    await page.selectOption("#quota-window", "month");
    const model = await page.locator("#quota-subject option").nth(1).getAttribute("value").catch(() => null);
    if (model) await page.selectOption("#quota-subject", model);
    await page.fill("#quota-limit", "1200");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".quota");
    assert.match(await page.textContent(".quota"), /1,200 requests a month/);
    let [q] = (await ask("/api/v1/quotas")).quotas;
    assert.deepEqual([q.kind, q.unit, q.window, q.limit, q.subject], ["model", "requests", "month", 1200, model ?? "*"]);
    await page.click('[aria-label^="Change "]');
    assert.equal(await page.inputValue("#quota-limit"), "1200");
    await page.fill("#quota-limit", "5");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /5 requests a month/.test(document.querySelector(".quota").textContent));
    ({ quotas: [q] } = await ask("/api/v1/quotas"));
    assert.equal(q.limit, 5);
    await page.click('[aria-label^="Remove "]');
    assert.equal((await ask("/api/v1/quotas")).quotas.length, 1, "it is asked first");
    await page.click("text=Remove it");
    await page.waitForFunction(() => /There is no quota/.test(document.querySelector("main").textContent));
    assert.deepEqual((await ask("/api/v1/quotas")).quotas, []);
  });

  await check("manage: a quota that cannot be says why", { at, hash: "#/admin/quotas", complains: true }, async (page) => {
    await page.waitForSelector("#quota-limit");
    await page.selectOption("#quota-kind", "key");
    await page.selectOption("#quota-unit", "weight");
    assert.equal(await page.locator("#quota-window").count(), 0, "a weight has no window");
    await page.fill("#quota-limit", "3");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".bad");
    assert.match(await page.textContent(".bad"), /[a-z]+.*\./);
  });

  await check("manage: use is shown day by day, and what a quota leaves", { at, hash: "#/admin/quotas" }, async (page) => {
    const put = (body) => fetch(`${at}/api/v1/quotas`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    assert.equal((await put({ kind: "user", subject: "*", unit: "tokens", window: "day", limit: 100000 })).status, 200);
    const answer = await fetch(`${at}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ messages: [{ role: "user", content: "hello" }], max_tokens: 8 }) });
    const { usage } = await answer.json();
    assert.equal(answer.status, 200);
    await page.reload();
    await page.waitForSelector(".usechart canvas");
    const text = await page.textContent("section:has(#use)");
    assert.match(text, new RegExp(`Today ${usage.total_tokens} tokens in 1 request`));
    assert.match(await page.getAttribute(".usechart .plot", "aria-label"), new RegExp(`${usage.total_tokens} tokens in 30 days`));
    assert.match(text, /100,000 tokens a day/);
  });

  await check("manage: a question over a quota is told kindly, with the way to what is left", { at, complains: true }, async (page) => {
    const put = await fetch(`${at}/api/v1/quotas`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ kind: "user", subject: "*", unit: "requests", window: "month", limit: 1 }) });
    const { id } = await put.json();
    await page.fill("#prompt", "one more");
    await page.press("#prompt", "Enter");
    await page.waitForSelector("main .failure");
    assert.match(await page.textContent("main .failure"), /The quota of .* is 1 requests? per month.* Try again in \d+ (s|min|h)/s);
    await accessible(page);
    await page.click("text=What I used");
    await page.waitForSelector(".meter.full");
    assert.match(await page.textContent("section:has(#use)"), /1 request a month.*1 used · 0 left/s);
    assert.equal((await fetch(`${at}/api/v1/quotas/${id}`, { method: "DELETE" })).status, 200);
  });

  await check("manage: the record of acts is narrowed, verified and exported", { at, hash: "#/admin/audit" }, async (page) => {
    await page.waitForSelector(".acted tbody tr");
    assert.match(await page.textContent(".acted"), /Sets a quota.*local|local.*Sets a quota/s);
    const all = await page.locator(".acted tbody tr").count();
    await page.selectOption("#audit-outcome", "failed");
    await page.waitForFunction((n) => document.querySelectorAll(".acted tbody tr").length < n, all);
    assert.equal(await page.locator(".acted .tag:not(.bad)").count(), 0);
    await page.selectOption("#audit-outcome", "");
    await page.selectOption("#audit-kind", "group");
    await page.waitForFunction(() => /No act is like this/.test(document.querySelector("main").textContent));
    await page.selectOption("#audit-kind", "");
    await page.waitForSelector(".acted");
    await page.click("#verify");
    await page.waitForSelector("#report");
    const { rows } = await ask("/api/v1/audit/verify");
    assert.match(await page.textContent("#report"), new RegExp(`The record is whole.*${rows} rows`, "s"));
    const coming = page.waitForEvent("download");
    await page.click("#export");
    const lines = readFileSync(await (await coming).path(), "utf8").trim().split("\n").map((l) => JSON.parse(l));
    assert.ok(lines.filter((l) => l.row).length >= rows);
    await page.route("**/api/v1/audit/verify", (route) => route.fulfill({ json: { ok: false, rows: 7, last: 4, head: "", bad_row: 5, problem: "Its hash is another.", checkpoints: 0, signed_row: 0, signed_at: null, public_key: "" } }));
    await page.click("#verify");
    await page.waitForSelector("#report.broken");
    assert.match(await page.textContent("#report"), /changed, first at row 5\. Its hash is another\./);
    await accessible(page);
  });

  await check("manage: older acts come when they are asked for", { at, hash: "#/admin/audit" }, async (page) => {
    await page.waitForSelector(".acted tbody tr");
    await page.route("**/api/v1/audit?*", async (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set("limit", "2");
      await route.fulfill({ response: await route.fetch({ url: String(url) }) });
    });
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll(".acted tbody tr").length === 2);
    await page.click(".more-rows");
    await page.waitForFunction(() => document.querySelectorAll(".acted tbody tr").length === 4);
    const numbers = await page.locator(".acted tbody td:first-child .dim").allTextContents();
    assert.equal(new Set(numbers).size, 4, "none comes twice");
  });

  await check("manage: settings say what counts, where it is from, and what a reload takes over", { at, hash: "#/admin/settings" }, async (page) => {
    await page.waitForSelector(".settings");
    const { settings } = await ask("/api/v1/settings");
    assert.equal(await page.locator(".settings .modelrow").count(), settings.length);
    assert.equal(await page.locator('.settings .tag:text-is("reloads")').count(), settings.filter((s) => s.reload).length);
    await page.fill("#setting-word", "logs.level");
    await page.waitForFunction(() => document.querySelectorAll(".settings .modelrow").length < 5);
    assert.match(await page.textContent(".settings"), /logs\.level.*file.*warn.*Set in .*ashatai\.yaml/s);
    await page.fill("#setting-word", "nothing is called so");
    await page.waitForFunction(() => /No setting has/.test(document.querySelector("main").textContent));
    await page.fill("#setting-word", "");
    await page.check("#setting-changed");
    await page.waitForFunction((n) => document.querySelectorAll(".settings .modelrow").length === n, settings.filter((s) => s.source !== "default" || s.pending !== undefined).length);
  });

  await check("manage: a feature is closed and opened; one that a setting decides is not", { at, hash: "#/admin/flags" }, async (page) => {
    await page.waitForSelector(".flags select");
    const one = async () => (await ask("/api/v1/flags")).flags.find((f) => f.name === "pull");
    const select = '[aria-label="pull is open for"]';
    await page.selectOption(select, "off");
    await page.waitForFunction(() => /pull is changed/.test(document.getElementById("status").textContent));
    assert.deepEqual([(await one()).exposure, (await one()).source], ["off", "admin"]);
    await page.reload();
    await page.waitForSelector(select);
    assert.equal(await page.inputValue(select), "off");
    await page.selectOption(select, "default");
    await page.waitForFunction((s) => document.querySelector(s).value === "default", select);
    await page.waitForLoadState("networkidle");
    assert.equal((await one()).source, "default");
    assert.ok(await page.isDisabled('[aria-label="optimize is open for"]'));
    assert.match(await page.textContent(".flags"), /A setting decides/);
  });

  await looks("manage: the own use without accounts", { at, hash: "#/account" }, (page) => page.waitForSelector(".usechart canvas"));

  const views = [["quotas", 'ul[aria-label="Quotas"] .quota', "**/api/v1/quotas"], ["audit", ".acted tbody tr", "**/api/v1/audit?*"], ["settings", ".settings", "**/api/v1/settings"], ["flags", ".flags select", "**/api/v1/flags"]];
  for (const [name, ready, path] of views) {
    const hash = `#/admin/${name}`;
    await check(`manage: ${name}: loading, failing and without the server`, { at, hash, complains: true }, (page) => states(page, path, ready));
    await looks(`manage: ${name}`, { at, hash }, (page) => page.waitForSelector(ready));
  }
  await stop();
}
