// What keeps the page fresh: it is asked for again, and the parts that differ are exchanged. Nothing is made of strings: the browser parses the answer as a document
// whose scripts do not run. It holds no "<" and "&", so that it is the same text in HTML and XML.
//
// A page that is not fresh any more says so: nothing misleads as a green page of yesterday does.

/** While something runs, and else. */
const BUSY_MS = 2_000;
const QUIET_MS = 10_000;
const ANSWER_LIMIT_MS = 8_000;

export const PAGE_SCRIPT = `
"use strict";
(() => {
  const stale = document.getElementById("stale");
  let freshAt = new Date();
  let timer = 0;
  const again = () => {
    clearTimeout(timer);
    const isBusy = document.getElementById("content").dataset.busy === "yes";
    timer = setTimeout(ask, isBusy ? ${BUSY_MS} : ${QUIET_MS});
  };
  const isSelected = (part) => {
    const selection = getSelection();
    return selection.isCollapsed ? false : selection.containsNode(part, true);
  };
  const exchange = (fresh) => {
    for (const part of [...document.querySelectorAll("h1, #clock, section")]) {
      const other = part.id === "" ? fresh.querySelector("h1") : fresh.getElementById(part.id);
      if (other === null || part.isEqualNode(other) || isSelected(part)) continue;
      part.replaceWith(document.importNode(other, true));
    }
    document.getElementById("content").dataset.busy = fresh.getElementById("content").dataset.busy;
    document.title = fresh.title;
  };
  const failed = () => {
    stale.textContent = "The agent has not answered since " + freshAt.toISOString().slice(0, 19).replace("T", " ") + " UTC: what stands below is from then.";
    stale.hidden = false;
    again();
  };
  const ask = () => {
    if (document.hidden) return;
    const request = new XMLHttpRequest();
    request.open("GET", location.pathname);
    request.responseType = "document";
    request.timeout = ${ANSWER_LIMIT_MS};
    request.onload = () => {
      const fresh = request.response;
      if (request.status !== 200 || fresh === null || fresh.getElementById("content") === null) return failed();
      freshAt = new Date();
      stale.hidden = true;
      exchange(fresh);
      again();
    };
    request.onerror = failed;
    request.ontimeout = failed;
    request.send();
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  again();
})();
`;
