// Asks for the page again when the server says that something has changed, and puts the
// new body in the place of the old one. Without it, reload does the same.
"use strict";
(() => {
  const body = document.getElementById("body");
  const live = document.getElementById("live");
  if (!body || !live || !window.EventSource) return;

  let asking = false, again = false;

  const say = (text, on) => {
    if (live.textContent !== text) live.textContent = text;
    live.classList.toggle("on", on);
  };

  // Whoever fills in a form or marks text is not disturbed.
  const busy = () => {
    const at = document.activeElement;
    const typing = at && body.contains(at) && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName);
    const marked = document.getSelection();
    return typing || (marked && !marked.isCollapsed && body.contains(marked.anchorNode));
  };

  const focusable = (root) => [...root.querySelectorAll("a[href], button, input, select, [tabindex]")];

  const put = (fresh) => {
    if (fresh.innerHTML === body.innerHTML) return;
    const had = focusable(body).indexOf(document.activeElement);
    const scrolled = [...body.querySelectorAll(".table")].map((t) => t.scrollLeft);
    body.replaceChildren(...fresh.childNodes);
    [...body.querySelectorAll(".table")].forEach((t, i) => { t.scrollLeft = scrolled[i] || 0; });
    if (had >= 0) focusable(body)[had]?.focus({ preventScroll: true });
  };

  const ask = async () => {
    if (document.hidden || busy()) { again = true; return; }
    if (asking) { again = true; return; }
    asking = true; again = false;
    try {
      const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("body");
      if (fresh && !busy()) put(fresh);
      if (!fresh) location.reload();
    } catch { /* the next event asks again */ }
    asking = false;
  };

  const events = new EventSource("/events");
  events.onopen = () => say("live", true);
  events.onmessage = () => ask();
  events.onerror = () => say("not live: no connection", false);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again) ask(); });
  document.addEventListener("focusout", () => setTimeout(() => { if (again) ask(); }, 0));
})();
