// The page: what the reader does, and what the page shows for it. Nothing of a conversation is kept when the page closes.

import { alive, chat, models, Problem } from "./api.js";
import { $, action, copyButton, el, recall, remember } from "./dom.js";
import { Renderer } from "./markdown.js";

const ideas = [
  "In one word: what is the capital of France?",
  "Explain hash tables in three sentences.",
  "Write a haiku about the sea.",
  "Write a Go function that reverses a string.",
];

const state = {
  turns: [], // {question, answer}: answer is "" until one came
  running: null, // AbortController of the answer that streams
  pinned: true, // the view follows the answer
  offline: false,
};

const view = {
  scroller: $("scroller"), log: $("log"), empty: $("empty"), prompt: $("prompt"), send: $("send"), model: $("model"),
  system: $("system"), banner: $("banner"), latest: $("latest"),
};

const still = matchMedia("(prefers-reduced-motion: reduce)");

function announce(text) {
  $("status").textContent = text;
}

// ---- models ----

async function loadModels() {
  try {
    const names = await models();
    online();
    fill(names);
  } catch (e) {
    showProblem(e, loadModels);
  }
}

function fill(names) {
  if (names.length === 0) {
    view.model.replaceChildren(el("option", {}, "No model installed"));
    view.model.disabled = true;
    banner("No model is installed. Get one with “ashatai pull”, then try again.", loadModels);
    return;
  }
  const wanted = view.model.value && names.includes(view.model.value) ? view.model.value : recall("model");
  view.model.replaceChildren(...names.map((n) => el("option", { value: n }, n)));
  view.model.value = names.includes(wanted) ? wanted : names[0];
  view.model.disabled = false;
  refresh();
}

// ---- banner, offline ----

function banner(text, retry) {
  $("banner-text").textContent = text;
  $("banner-action").onclick = retry;
  view.banner.hidden = false;
}

function online() {
  state.offline = false;
  view.banner.hidden = true;
  document.body.classList.remove("offline");
  refresh();
}

// showProblem says what went wrong; where the server is away it also looks for it until it is back.
function showProblem(e, retry) {
  banner(e instanceof Problem ? e.message : `The page failed: ${e.message}`, retry);
  if (!(e instanceof Problem) || !e.offline || state.offline) return;
  state.offline = true;
  document.body.classList.add("offline");
  refresh();
  let wait = 1000;
  const look = async () => {
    if (!state.offline) return;
    if (await alive()) {
      announce("The server answers again");
      await loadModels();
      return;
    }
    wait = Math.min(wait * 1.5, 15000);
    setTimeout(look, wait);
  };
  setTimeout(look, wait);
}

// ---- conversation ----

function messages() {
  const out = [];
  const system = view.system.value.trim();
  if (system) out.push({ role: "system", content: system });
  for (const { question, answer } of state.turns.slice(0, -1)) {
    // A question that got no answer is left out: many templates want the two sides to take turns.
    if (answer) out.push({ role: "user", content: question }, { role: "assistant", content: answer });
  }
  out.push({ role: "user", content: state.turns.at(-1).question });
  return out;
}

function ask(question) {
  state.turns.push({ question, answer: "" });
  view.empty.hidden = true;
  for (const old of view.log.querySelectorAll(".again")) old.remove(); // only the last answer can be asked for again
  view.log.append(el("article", { class: "turn user", "aria-label": "You" }, el("p", {}, question)));
  state.pinned = true;
  return answer();
}

// answer streams the reply to the last question.
async function answer() {
  const turn = state.turns.at(-1);
  const stop = new AbortController();
  state.running = stop;
  refresh();
  const shown = new Answer(view.model.value);
  view.log.append(shown.node);
  follow();
  announce("Waiting for the answer");
  try {
    const result = await chat({ model: view.model.value, messages: messages(), signal: stop.signal }, {
      start: () => shown.started(),
      text: (piece) => {
        turn.answer += piece;
        shown.grow(turn.answer);
      },
    });
    shown.end(turn.answer, result.finish === "length" ? "Cut: the limit of tokens was reached" : "", result.usage);
    announce(`Answer: ${turn.answer}`);
  } catch (e) {
    if (e.name === "AbortError") {
      shown.end(turn.answer, "Stopped");
      announce("Stopped");
    } else {
      shown.fail(turn.answer, e);
      if (e instanceof Problem && e.offline) showProblem(e, loadModels);
    }
  } finally {
    if (state.running === stop) state.running = null;
    refresh();
    follow();
  }
}

// retry asks for the last answer again.
function retry(node) {
  if (state.running || state.turns.length === 0) return;
  state.turns.at(-1).answer = "";
  node.remove();
  state.pinned = true;
  answer();
}

// Answer is one reply on the page: waiting, growing, ended or failed.
class Answer {
  constructor(model) {
    this.model = model;
    this.pieces = 0;
    this.body = el("div", { class: "prose" });
    this.wait = el("p", { class: "wait" }, el("span", { class: "pulse", "aria-hidden": "true" }), el("span", {}, "Thinking…"));
    this.foot = el("footer", { class: "foot" });
    this.node = el("article", { class: "turn model busy", "aria-label": model, "aria-busy": "true" }, this.wait, this.body, this.foot);
    this.renderer = new Renderer(this.body, announce);
    // Most answers start at once. One that does not is the first of a model, or there is a queue.
    this.timer = setTimeout(() => this.say("Getting the model ready; the first answer takes a little longer…"), 1500);
  }

  say(text) {
    this.wait.lastChild.textContent = text;
  }

  // started: the server took the request; what is left is reading the prompt.
  started() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.say("Reading the conversation…"), 1500);
  }

  grow(text) {
    if (this.pieces++ === 0) {
      this.first = performance.now();
      clearTimeout(this.timer);
      this.wait.remove();
      announce("Answering");
    }
    this.last = performance.now();
    this.text = text;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.renderer.show(this.text);
      follow();
    });
  }

  settle(text) {
    clearTimeout(this.timer);
    if (this.frame) cancelAnimationFrame(this.frame);
    this.frame = null;
    this.wait.remove();
    this.renderer.show(text);
    this.node.classList.remove("busy");
    this.node.removeAttribute("aria-busy");
  }

  end(text, remark, usage) {
    this.settle(text);
    const facts = [this.model];
    const tokens = usage?.completion_tokens;
    if (tokens) facts.push(`${tokens} ${tokens === 1 ? "token" : "tokens"}`);
    if (tokens > 8) facts.push(`${Math.round((tokens - 1) / (this.last - this.first) * 1000)} tokens/s`);
    if (!text && !remark) remark = "The model answered with nothing";
    if (remark) facts.push(remark);
    this.foot.append(el("span", { class: "facts" }, facts.join(" · ")), el("span", { class: "actions" },
      text ? copyButton(() => text, "Answer", announce) : null,
      action("again", "Again", () => retry(this.node), { class: "action again", "aria-label": "Answer again" })));
  }

  fail(text, e) {
    this.settle(text);
    let told = e instanceof Problem ? e.message : `The page failed: ${e.message}`;
    if (e.offline) told = "Your message was not sent: the server does not answer."; // the banner says what to do
    const later = e.retryAfter > 0 ? ` Try again in ${e.retryAfter} s.` : "";
    this.node.append(el("div", { class: "failure", role: "alert" }, el("p", {}, told + later),
      el("button", { type: "button", class: "plain again", onclick: () => retry(this.node) }, "Try again")));
    this.foot.remove();
  }
}

// ---- the view ----

function follow() {
  if (state.pinned) view.scroller.scrollTop = view.scroller.scrollHeight;
}

function watchScroll() {
  const { scrollTop, scrollHeight, clientHeight } = view.scroller;
  state.pinned = scrollHeight - scrollTop - clientHeight < 48;
  view.latest.hidden = state.pinned;
}

function refresh() {
  const running = state.running !== null;
  view.send.classList.toggle("running", running);
  $("send-name").textContent = running ? "Stop" : "Send";
  view.send.title = running ? "Stop (Esc)" : "Send (Enter)";
  view.send.disabled = !running && (view.prompt.value.trim() === "" || view.model.disabled || state.offline);
  $("system-dot").hidden = view.system.value.trim() === "";
}

function grow(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

function submit() {
  if (view.send.disabled || state.running) return;
  const question = view.prompt.value.trim();
  view.prompt.value = "";
  grow(view.prompt);
  ask(question);
}

function startOver() {
  state.running?.abort();
  state.turns = [];
  view.log.replaceChildren();
  view.empty.hidden = false;
  view.latest.hidden = true;
  state.pinned = true;
  announce("New chat");
  view.prompt.focus();
}

function openSystem(open) {
  $("system-panel").hidden = !open;
  $("system-toggle").setAttribute("aria-expanded", String(open));
  if (open) {
    grow(view.system);
    view.system.focus();
  } else {
    $("system-toggle").focus();
  }
}

// ---- theme ----

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

function nameTheme() {
  $("theme-name").textContent = isDark() ? "Use the light theme" : "Use the dark theme";
  $("theme").title = $("theme-name").textContent;
}

function switchTheme() {
  const next = isDark() ? "light" : "dark";
  // Back to what the system says: then nothing has to be remembered, and the page follows the system again.
  const same = (next === "dark") === dark.matches;
  if (same) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  remember("theme", same ? "" : next);
  nameTheme();
}

// ---- wiring ----

function wire() {
  $("composer").addEventListener("submit", (e) => {
    e.preventDefault();
    if (state.running) state.running.abort();
    else submit();
  });
  view.prompt.addEventListener("input", () => {
    grow(view.prompt);
    refresh();
  });
  view.prompt.addEventListener("keydown", (e) => {
    // isComposing: Enter that ends an input method's word is no message.
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    submit();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    if (state.running) state.running.abort();
    else if (!$("system-panel").hidden) openSystem(false);
  });
  view.scroller.addEventListener("scroll", watchScroll, { passive: true });
  view.latest.addEventListener("click", () => {
    state.pinned = true;
    view.scroller.scrollTo({ top: view.scroller.scrollHeight, behavior: still.matches ? "auto" : "smooth" });
    view.prompt.focus();
  });
  $("new").addEventListener("click", startOver);
  $("theme").addEventListener("click", switchTheme);
  dark.addEventListener("change", nameTheme);
  $("system-toggle").addEventListener("click", () => openSystem($("system-panel").hidden));
  view.system.addEventListener("input", () => {
    grow(view.system);
    remember("system", view.system.value.trim());
    refresh();
  });
  view.model.addEventListener("change", () => remember("model", view.model.value));
  new ResizeObserver(follow).observe(view.scroller);
}

view.system.value = recall("system") ?? "";
$("ideas").append(...ideas.map((text) => el("li", {}, el("button", { type: "button", class: "idea", onclick: () => {
  view.prompt.value = text;
  grow(view.prompt);
  refresh();
  view.prompt.focus();
} }, text))));
wire();
nameTheme();
refresh();
loadModels();
if (matchMedia("(hover: hover)").matches) view.prompt.focus();
