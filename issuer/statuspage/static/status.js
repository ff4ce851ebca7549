// Keeps the page live: the server sends the parts that changed as HTML, and they replace the old ones node by
// node, so that focus, selection, open details and the place on the page stay. Without this script the page is
// complete, as of its loading.
"use strict";
(() => {
  const live = document.getElementById("live");
  const pause = document.getElementById("pause");
  const search = document.getElementById("search");
  const AGAIN = 10000; // ms until a connection that was refused is tried again
  const QUIET = 40000; // ms without a word after which the connection is dead; the server speaks every 15 s
  let stream = null;
  let watchdog = 0;
  let again = 0;
  let heard = "";
  let skew = 0; // ms that the server's clock is ahead of ours
  let paused = false;

  // Replacing ------------------------------------------------------------------

  function replace(id, html) {
    const old = document.getElementById(id);
    const wanted = new DOMParser().parseFromString(html, "text/html").getElementById(id);
    if (old && wanted) merge(old, wanted);
  }

  function merge(old, wanted) {
    for (const { name } of [...old.attributes]) {
      // Whether details are open is the reader's, not the server's.
      if (!wanted.hasAttribute(name) && !(name === "open" && old.localName === "details")) old.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    mergeChildren(old, wanted);
  }

  function mergeChildren(old, wanted) {
    const keyed = new Map();
    for (const child of old.children) {
      if (child.dataset && child.dataset.key) keyed.set(child.dataset.key, child);
    }
    let place = old.firstChild;
    for (const next of [...wanted.childNodes]) {
      const key = next.dataset && next.dataset.key;
      const known = key ? keyed.get(key) : null;
      if (known) {
        keyed.delete(key);
        if (known !== place) old.insertBefore(known, place);
        else place = place.nextSibling;
        merge(known, next);
      } else if (!key && place && alike(place, next)) {
        const here = place;
        place = place.nextSibling;
        if (here.nodeType === Node.ELEMENT_NODE) merge(here, next);
        else if (here.data !== next.data) here.data = next.data;
      } else {
        old.insertBefore(document.importNode(next, true), place);
      }
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  }

  function alike(one, other) {
    if (one.nodeType !== other.nodeType || one.nodeName !== other.nodeName) return false;
    return one.nodeType !== Node.ELEMENT_NODE || (!one.dataset.key && one.id === other.id);
  }

  // Times ----------------------------------------------------------------------

  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function ago(seconds) {
    const length = Math.abs(seconds);
    const [size, name] = UNITS.find(([one]) => length >= one) || UNITS[3];
    const text = `${Math.floor(length / size)} ${name}`;
    return seconds >= 0 ? `${text} ago` : `in ${text}`;
  }

  function tellTimes() {
    const now = Date.now() + skew;
    for (const one of document.querySelectorAll("main time")) {
      const text = ago((now - Date.parse(one.dateTime)) / 1000);
      if (!one.title) one.title = one.textContent;
      if (one.textContent !== text) one.textContent = text;
    }
  }

  // The stream -----------------------------------------------------------------

  function tell(text, state) {
    live.textContent = text;
    live.className = state;
  }

  function connect() {
    disconnect();
    if (paused) return;
    stream = new EventSource("events" + location.search);
    stream.onmessage = (event) => {
      listen();
      const { at, parts } = JSON.parse(event.data);
      for (const [id, html] of Object.entries(parts)) replace(id, html);
      heard = at.slice(11, 19);
      skew = Math.abs(Date.parse(at) - Date.now()) < 2000 ? 0 : Date.parse(at) - Date.now();
      tell(`Live, ${heard} UTC`, "on");
      tellTimes();
    };
    stream.onerror = () => {
      const refused = stream && stream.readyState === EventSource.CLOSED;
      const since = heard ? ` since ${heard} UTC` : "";
      // A refusal (too many viewers, a login that ended) closes the stream for good.
      tell(`Not live${since}: trying again${refused ? "; reload to see why" : ""}`, "off");
      if (refused) later();
    };
    listen();
  }

  function later() {
    clearTimeout(again);
    again = setTimeout(connect, AGAIN);
  }

  function listen() {
    clearTimeout(watchdog);
    watchdog = setTimeout(connect, QUIET);
  }

  function disconnect() {
    clearTimeout(watchdog);
    clearTimeout(again);
    if (stream) stream.close();
    stream = null;
  }

  // What the reader does ---------------------------------------------------------

  function go(address, remember) {
    history[remember ? "pushState" : "replaceState"](null, "", address);
    const values = new URLSearchParams(location.search);
    search.elements.state.value = values.get("state") || "waiting";
    if (document.activeElement !== search.elements.q) search.elements.q.value = values.get("q") || "";
    if (paused) resume();
    else connect();
  }

  function resume() {
    paused = false;
    pause.textContent = "Pause";
    connect();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-live]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(link.getAttribute("href"), true);
  });

  let typing = 0;
  function look() {
    clearTimeout(typing);
    const values = new URLSearchParams({ state: search.elements.state.value });
    const text = search.elements.q.value.trim();
    if (text) values.set("q", text);
    go(`?${values}`, false);
  }
  search.addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });
  search.elements.q.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(look, 300);
  });
  window.addEventListener("popstate", () => go(location.href, false));

  pause.addEventListener("click", () => {
    if (paused) {
      resume();
      return;
    }
    paused = true;
    pause.textContent = "Go on";
    disconnect();
    tell(`Paused at ${heard} UTC`, "");
  });
  pause.hidden = false;

  // Commands -----------------------------------------------------------------------

  async function copy(button) {
    const code = button.previousElementSibling;
    getSelection().selectAllChildren(code); // where the clipboard is refused, the reader's own keys copy it
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (button) copy(button);
  });
  document.documentElement.classList.add("scripted");

  // A page in the background costs nobody anything.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) disconnect();
    else connect();
  });

  setInterval(tellTimes, 1000);
  tellTimes();
  connect();
})();
