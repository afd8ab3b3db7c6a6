// Small ways to make nodes and to remember settings. Text only ever enters the page as textContent.

export const $ = (id) => document.getElementById(id);

// el makes an element with attributes and children; a string child becomes a text node.
export function el(tag, attrs = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) {
    if (value === false || value == null) continue;
    if (name === "onclick") node.addEventListener("click", value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((c) => c != null));
  return node;
}

const svgSpace = "http://www.w3.org/2000/svg";

// icon draws one path in a box of 16 units.
export function icon(path) {
  const svg = document.createElementNS(svgSpace, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const p = document.createElementNS(svgSpace, "path");
  p.setAttribute("d", path);
  svg.append(p);
  return svg;
}

const paths = {
  copy: "M6 5.5V3.2c0-.4.3-.7.7-.7h6.1c.4 0 .7.3.7.7v6.1c0 .4-.3.7-.7.7H10.5M3.2 6h6.1c.4 0 .7.3.7.7v6.1c0 .4-.3.7-.7.7H3.2a.7.7 0 0 1-.7-.7V6.7c0-.4.3-.7.7-.7Z",
  done: "m3.5 8.5 3 3 6-7",
  again: "M13 8a5 5 0 1 1-1.5-3.5L13 6m0-3.2V6H9.8",
};

// action is a quiet button with an icon and a word.
export function action(name, word, onclick, extra = {}) {
  return el("button", { type: "button", class: "action", onclick, ...extra }, icon(paths[name]), el("span", {}, word));
}

// copyButton copies what text() gives, and says so on the button for a moment.
export function copyButton(text, what, announce) {
  const button = action("copy", "Copy", async () => {
    const ok = await copy(text());
    button.querySelector("path").setAttribute("d", ok ? paths.done : paths.copy);
    button.querySelector("span").textContent = ok ? "Copied" : "Not allowed";
    announce(ok ? `${what} copied` : `The browser did not allow copying the ${what.toLowerCase()}`);
    clearTimeout(button.back);
    button.back = setTimeout(() => {
      button.querySelector("path").setAttribute("d", paths.copy);
      button.querySelector("span").textContent = "Copy";
    }, 1600);
  }, { "aria-label": `Copy ${what.toLowerCase()}` });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS on another machine there is no clipboard interface; the old way still works.
    const area = el("textarea", { class: "sr", readonly: true, tabindex: "-1" });
    area.value = text;
    document.body.append(area);
    area.select();
    const ok = document.execCommand("copy");
    area.remove();
    return ok;
  }
}

// recall and remember keep a setting in this browser where that is allowed.
export function recall(key) {
  try {
    return localStorage.getItem(`ashatai.${key}`);
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    if (value) localStorage.setItem(`ashatai.${key}`, value);
    else localStorage.removeItem(`ashatai.${key}`);
  } catch {
    // The setting then lasts as long as the page.
  }
}
