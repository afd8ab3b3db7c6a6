// Jobs: their list, a log that grows while one looks at it, and cancelling. On a server of its own, which may ask this machine.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { accessible, check, looks, only, serve, states } from "./harness.mjs";

if (!only || "jobs".includes(only.split(":")[0])) {
  // A host that sends a part of a file and lets the rest drip.
  const size = 1 << 20;
  const part = Buffer.alloc(size / 4);
  part.write("GGUF");
  part.writeUInt32LE(3, 4);
  const host = createServer((req, res) => {
    res.writeHead(200, { "content-length": size, etag: '"1"' });
    if (req.method === "HEAD") res.end();
    else {
      res.write(part);
      const more = setInterval(() => res.write(Buffer.alloc(16)), 100);
      res.on("close", () => clearInterval(more));
    }
  });
  await new Promise((resolve) => { host.listen(0, "127.0.0.1", resolve); });
  const { at, stop } = await serve("runtime:\n  type: mock\nnetwork:\n  allow: [127.0.0.1]\n");
  const pull = async (source, more = {}) => {
    const answer = await fetch(`${at}/api/v1/pull`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ source, detach: true, ...more }) });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text).job;
  };
  const far = () => pull(`http://127.0.0.1:${host.address().port}/far.gguf`, { name: "far:v1", sha256: "0".repeat(64) });
  const state = async (id) => (await (await fetch(`${at}/api/v1/jobs/${id}`)).json()).state;

  await check("jobs: none yet, which the page explains", { at, hash: "#/jobs" }, async (page) => {
    await page.waitForSelector(".card .hint");
    assert.match(await page.textContent("main"), /There was no job yet/);
    assert.equal(await page.getAttribute('.views [aria-current="page"]', "title"), "Activity");
    await accessible(page);
  });

  await check("jobs: one is followed live, and cancelled by the keyboard", { at, hash: "#/jobs" }, async (page) => {
    await page.waitForSelector(".card .hint");
    const id = await far();
    await page.waitForSelector(".modelrow progress");
    await page.focus(".jobname");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /Running.*25 %/s.test(document.querySelector(".tail")?.textContent ?? ""));
    await page.waitForSelector(".lamp.live");
    await page.focus("#cancel");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "cancel-now");
    assert.equal(await state(id), "running", "it is asked first");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#job-is")?.textContent === "Cancelled" && /Cancelled/.test(document.querySelector(".tail").textContent));
    assert.equal(await state(id), "cancelled");
    assert.equal(await page.locator("#cancel").count(), 0);
    assert.match(await page.textContent("#status"), /Cancelled/);
  });

  await check("jobs: a lost connection goes on after the last event, and nothing is told twice", { at, hash: "#/jobs", complains: true }, async (page) => {
    await page.waitForSelector(".jobname");
    const asked = [];
    const id = await far();
    page.on("request", (r) => r.url().endsWith("/events") && asked.push(r.headers()["last-event-id"]));
    // The first answer ends after one event; the rest comes from the server.
    await page.route("**/events", (route) => route.fulfill({ contentType: "text/event-stream", body: `id: 1\nevent: state\ndata: {"time":"2026-01-31T10:00:00Z","data":{"state":"queued"}}\n\n` }), { times: 1 });
    await page.evaluate((one) => { location.hash = `#/jobs/${one}`; }, id);
    await page.waitForSelector(".lamp.live");
    await page.waitForFunction(() => /25 %/.test(document.querySelector(".tail")?.textContent ?? ""));
    assert.deepEqual(asked.slice(0, 2), ["0", "1"]);
    assert.equal((await page.textContent(".tail")).split("Waiting").length, 2, "queued is told once");
    await fetch(`${at}/api/v1/jobs/${id}/cancel`, { method: "POST" });
    await page.waitForFunction(() => document.querySelector("#job-is").textContent === "Cancelled");
  });

  await check("jobs: an install goes on when its reader leaves the view, and is stopped in it", { at, hash: "#/models" }, async (page) => {
    await page.fill("#source", `http://127.0.0.1:${host.address().port}/far.gguf`);
    await page.fill("section:has(#pull) .field:has-text('Name') input", "stays:v1");
    await page.fill("section:has(#pull) .mono", "0".repeat(64));
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /25 %/.test(document.querySelector(".pulls .pulling .rowfacts")?.textContent ?? ""));
    const id = decodeURIComponent((await page.getAttribute(".pulls .jobname", "href")).split("/").at(-1));
    await page.click('.views [title="Activity"]');
    await page.waitForSelector(".figures");
    await page.reload();
    assert.equal(await state(id), "running");
    await page.click('.views [title="Models"]');
    await page.waitForSelector(".pulls progress");
    await accessible(page);
    await page.focus('.pulls [aria-label^="Stop "]');
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /Cancelled.*What came so far is kept/s.test(document.querySelector(".pulls")?.textContent ?? ""));
    assert.equal(await state(id), "cancelled");
    assert.equal(await page.locator(".pulls progress").count(), 0);
  });

  await check("jobs: one that failed says why, and the list can be narrowed", { at, hash: "#/jobs" }, async (page) => {
    const id = await pull("/no/such/file.gguf").catch(() => null) ?? await pull("http://127.0.0.1:1/none.gguf", { name: "none:v1", sha256: "0".repeat(64) });
    await page.selectOption("#job-state", "failed");
    await page.waitForSelector(".modelrow .tag.bad");
    assert.equal(await page.locator(".modelrow").count(), 1);
    assert.match(await page.textContent(".modelrow .bad.rowfacts"), /[a-z]+\./);
    await page.click(".jobname");
    await page.waitForSelector(".tail .bad");
    assert.ok(page.url().endsWith(id));
    await page.click(".back");
    await page.selectOption("#job-state", "queued");
    await page.waitForFunction(() => /No job is in this state/.test(document.querySelector("main").textContent));
  });

  await check("jobs: one that is not there", { at, hash: "#/jobs/none", complains: true }, async (page) => {
    await page.waitForSelector(".failure");
    assert.match(await page.textContent(".failure"), /There is no job "none"\./);
  });

  await check("jobs: loading, failing and without the server", { at, hash: "#/jobs", complains: true }, (page) => states(page, "**/api/v1/jobs?*", ".jobname"));

  const id = await far();
  await looks("jobs: the list", { at, hash: "#/jobs" }, (page) => page.waitForSelector(".modelrow progress"));
  await looks("jobs: one", { at, hash: `#/jobs/${id}` }, (page) => page.waitForFunction(() => /25 %/.test(document.querySelector(".tail")?.textContent ?? "")));

  host.closeAllConnections();
  host.close();
  await stop();
}
