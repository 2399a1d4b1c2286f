// What a page does once it is shown: it follows the run, or looks again when a table has ended.
// The server makes all HTML; every page is whole without this file.
"use strict";

const live = document.querySelector("[data-live]");
const asof = document.querySelector("[data-asof]");
const MOST = 200; // lines of events that stay
const AGAIN = 5000; // ms between two looks of a page about many tables
let paused = false;
let held = null; // the frame that came last while paused

// Make `old` like `fresh` and leave alone what is alike, so that focus and selection stay.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) return;
  for (const name of old.getAttributeNames()) {
    if (!fresh.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
  }
  for (const name of fresh.getAttributeNames()) {
    if (old.getAttribute(name) !== fresh.getAttribute(name)) old.setAttribute(name, fresh.getAttribute(name));
  }
  if (old.nodeName === "INPUT" || old.nodeName === "SELECT" || old.nodeName === "FORM") return; // what somebody fills in
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((node, n) => {
    if (n < before.length) morph(before[n], node);
    else old.append(node.cloneNode(true));
  });
  before.slice(after.length).forEach((node) => node.remove());
}

function parsed(html) {
  const made = document.createElement("template");
  made.innerHTML = html;
  return made.content;
}

function say(text, lost) {
  if (!asof) return;
  asof.textContent = text;
  asof.classList.toggle("lost", Boolean(lost));
}

function show(html) {
  const frame = document.getElementById("frame");
  const fresh = parsed(`<div id="frame">${html}</div>`).firstElementChild;
  morph(frame, fresh);
  const title = frame.querySelector("[data-title]");
  if (title) document.title = title.dataset.title;
  const moment = frame.querySelector("[data-moment]");
  if (moment && moment.dataset.moment) say(`as of ${moment.dataset.moment}, live`);
}

function add(html) {
  const list = document.getElementById("events");
  const lines = [...parsed(html).children].reverse();
  lines.forEach((line) => line.classList.add("fresh"));
  list.prepend(...lines);
  while (list.children.length > MOST) list.lastElementChild.remove();
}

function followRun() {
  const source = new EventSource(`/live?after=${encodeURIComponent(live.dataset.after)}`);
  source.addEventListener("frame", (event) => {
    if (paused) held = event.data;
    else show(event.data);
  });
  source.addEventListener("lines", (event) => add(event.data));
  source.addEventListener("begin", () => document.getElementById("events").replaceChildren());
  source.addEventListener("missed", (event) => {
    const line = document.createElement("li");
    line.append(document.createElement("span"), document.createElement("span"));
    line.lastElementChild.className = "q";
    line.lastElementChild.textContent = `${Number(event.data).toLocaleString("en")} events before these are not shown`;
    document.getElementById("events").prepend(line);
  });
  source.addEventListener("error", () => say("the dashboard does not answer; asked again", true));
  const button = document.getElementById("pause");
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause";
    button.setAttribute("aria-pressed", String(paused));
    if (!paused && held !== null) show(held);
    held = null;
  });
}

function followTables() {
  let timer = null;
  let last = live.dataset.mark;
  const look = async () => {
    timer = null;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      morph(document.getElementById("main"), page.getElementById("main"));
      document.title = page.title;
      say(page.querySelector("[data-asof]").textContent);
    } catch {
      say("the dashboard does not answer; asked again", true);
    }
  };
  const source = new EventSource("/live?marks=1");
  source.addEventListener("mark", (event) => {
    if (event.data === last && !asof.classList.contains("lost")) return;
    last = event.data;
    if (timer === null) timer = setTimeout(look, AGAIN);
  });
  source.addEventListener("error", () => say("the dashboard does not answer; asked again", true));
}

if (live && live.dataset.live === "run") followRun();
if (live && live.dataset.live === "tables") followTables();
