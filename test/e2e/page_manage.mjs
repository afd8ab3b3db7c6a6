// What an admin looks after beside accounts: quotas, the record of acts, settings and features. On a server of its own.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { accessible, check, looks, only, serve, shot, states } from "./harness.mjs";

if (!only || "manage".includes(only.split(":")[0])) {
  const { at, stop } = await serve("runtime:\n  type: mock\nfeatures:\n  optimize: operator,admin\nlogs:\n  level: warn\npull:\n  hub_token: \"secret:hub\"\n", { sealed: { hub: "hf_canary" } });
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

  await check("manage: credentials are sealed, replaced and removed by the keyboard, and shown nowhere", { at, hash: "#/admin/credentials", complains: true }, async (page) => {
    await page.waitForSelector(".secrets .modelrow");
    assert.match(await page.textContent(".secrets"), /hub.*Used by pull\.hub_token/s);
    assert.ok(await page.isDisabled('[aria-label="Remove hub"]'), "a setting names it");
    const answers = [];
    page.on("response", async (r) => { if (r.url().includes("/secrets")) answers.push(await r.text().catch(() => "")); });
    const seal = async (name, value) => {
      await page.fill("#secret-name", name);
      await page.fill("#secret-value", value);
      await page.keyboard.press("Enter");
    };
    assert.equal(await page.getAttribute("#secret-value", "type"), "password");
    await seal("box", "canary-one");
    await page.waitForSelector('[aria-label="Replace box"]');
    assert.equal(await page.inputValue("#secret-value"), "");
    const box = async () => (await ask("/api/v1/secrets")).secrets.find((s) => s.name === "box");
    const before = await box();
    await page.focus('[aria-label="Replace box"]');
    await page.keyboard.press("Enter");
    assert.deepEqual([await page.inputValue("#secret-name"), await page.evaluate(() => document.activeElement.id)], ["box", "secret-value"]);
    await page.keyboard.type("canary-two");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("secret-value").value === "");
    await page.waitForLoadState("networkidle");
    assert.notEqual((await box()).updated_at, before.updated_at);
    await seal("no such/name", "x");
    await page.waitForSelector(".card .bad");
    await page.focus('[aria-label="Remove box"]');
    await page.keyboard.press("Enter");
    assert.ok(await box(), "it is asked first");
    await page.click("text=Remove it");
    await page.waitForSelector('[aria-label="Remove box"]', { state: "detached" });
    assert.equal(await box(), undefined);
    assert.ok(answers.length >= 4 && !/canary/.test(answers.join(" ") + await page.content()), "no answer holds one");
  });

  await check("manage: the server gets another key, and the record of acts is whole", { at, hash: "#/admin/credentials", complains: true }, async (page) => {
    await page.waitForSelector(".secrets .modelrow");
    const key = async () => (await ask("/api/v1/secrets")).secrets[0].key_id;
    const old = await key();
    const turn = async (text) => {
      await page.click("#turn");
      await page.fill("#server-key-text", text);
      await accessible(page);
      await page.setViewportSize({ width: 375, height: 800 });
      const [field, button] = await Promise.all(["#server-key-text", "text=Change the key"].map((s) => page.locator(s).boundingBox()));
      assert.ok(button.y >= field.y + field.height || button.x >= field.x + field.width, "a button lies on the field");
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.focus("#server-key-text");
      await page.keyboard.press("Enter");
      await page.waitForSelector("section:has(#server-key) .made");
      return page.textContent("section:has(#server-key) .made");
    };
    assert.match(await turn(""), /1 credential sealed anew/);
    const made = await key();
    assert.notEqual(made, old);
    await turn("5e".repeat(32));
    assert.ok(![old, made].includes(await key()));
    await page.click("#turn");
    await page.click("text=Keep the old one");
    await page.waitForSelector("#turn");
    const report = await ask("/api/v1/audit/verify");
    assert.ok(report.ok, report.problem);
    await page.evaluate(() => { location.hash = "#/admin/audit"; });
    await page.waitForFunction(() => /server key handed over/.test(document.querySelector(".acted")?.textContent ?? ""));
    assert.ok(await page.evaluate(() => [...document.querySelectorAll(".acted tr")].every((r) => r.offsetHeight < 110) && document.querySelector(".acted").parentElement.scrollWidth <= document.querySelector(".acted").parentElement.clientWidth), "keys and signatures do not blow the table up");
    await shot(page, "audit-after-a-handover");
    await page.evaluate(() => { location.hash = "#/admin/credentials"; });
    await page.waitForSelector(".secrets .modelrow");
    await page.route("**/api/v1/secrets", (route) => route.fulfill({ json: { secrets: [{ name: "lost", opens: false, key_id: "ab12", used_by: [], created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" }] } }));
    await page.reload();
    await page.waitForSelector(".secrets .tag.bad");
    assert.match(await page.textContent(".secrets"), /ab12.*Replace it/s);
    await accessible(page);
    await page.unroute("**/api/v1/secrets");
    await page.route("**/api/v1/secrets", (route) => route.fulfill({ json: { secrets: [] } }));
    await page.reload();
    await page.waitForFunction(() => /None is sealed/.test(document.querySelector("main").textContent));
    await accessible(page);
  });

  await looks("manage: the own use without accounts", { at, hash: "#/account" }, (page) => page.waitForSelector(".usechart canvas"));

  const views = [["quotas", 'ul[aria-label="Quotas"] .quota', "**/api/v1/quotas"], ["audit", ".acted tbody tr", "**/api/v1/audit?*"], ["settings", ".settings", "**/api/v1/settings"], ["credentials", ".secrets .modelrow", "**/api/v1/secrets"], ["flags", ".flags select", "**/api/v1/flags"]];
  for (const [name, ready, path] of views) {
    const hash = `#/admin/${name}`;
    await check(`manage: ${name}: loading, failing and without the server`, { at, hash, complains: true }, (page) => states(page, path, ready));
    await looks(`manage: ${name}`, { at, hash }, (page) => page.waitForSelector(ready));
  }
  await stop();
}
