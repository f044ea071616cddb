// The one script. Every page works without it; with it pages stay up to date
// by themselves, and everything is reached by keys.
"use strict";
(() => {
  const root = document.documentElement;
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  root.classList.add("scripted");

  // ---- times: ages go on while one looks ----
  function span(seconds) {
    if (seconds < 60) return Math.floor(seconds) + " s";
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return minutes + " min";
    const hours = Math.floor(minutes / 60);
    if (hours < 10) return hours + " h" + (minutes % 60 ? " " + (minutes % 60) + " min" : "");
    if (hours < 48) return hours + " h";
    return Math.floor(hours / 24) + " days";
  }
  function tick() {
    for (const t of $$("time[datetime]")) {
      const age = (Date.now() - Date.parse(t.dateTime)) / 1000;
      if (t.textContent.endsWith(" ago") || t.textContent === "just now") {
        if (age < 30 * 86400) t.textContent = age < 5 ? "just now" : span(age) + " ago";
      } else if (t.textContent.startsWith("in ")) {
        t.textContent = age >= 0 ? "now" : "in " + span(-age);
      }
    }
  }
  setInterval(tick, 10000);

  // ---- what changed is put in its place; what one reads stays where it is ----
  function anchor() {
    const from = $("#main");
    if (!from || scrollY < 8) return () => {};
    const held = $$("[id]", from).find((e) => e.getBoundingClientRect().bottom > 60);
    if (!held) return () => {};
    const top = held.getBoundingClientRect().top;
    return () => {
      const same = document.getElementById(held.id);
      if (same) scrollBy(0, same.getBoundingClientRect().top - top);
    };
  }
  function put(fresh, only) {
    const hold = anchor();
    for (const now of $$("[data-live]")) {
      if (only && now.id !== only) continue;
      const next = fresh.getElementById(now.id);
      if (!next || next.outerHTML === now.dataset.was) continue;
      const opened = $$("details[open][id]", now).map((d) => d.id);
      const focused = now.contains(document.activeElement) ? document.activeElement.id || document.activeElement.getAttribute("href") : "";
      if (focused && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) continue;
      const was = next.outerHTML;
      const put = document.importNode(next, true);
      put.dataset.was = was;
      now.replaceWith(put);
      for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
      if (focused) (document.getElementById(focused) || $$("a", put).find((a) => a.getAttribute("href") === focused))?.focus({ preventScroll: true });
      prepare(put);
    }
    hold();
  }
  let asking = false, again = false;
  async function refresh(only) {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const res = await fetch(location.href, { headers: { "Slipway-Refresh": "1" }, cache: "no-store" });
      if (res.ok && !res.redirected) put(new DOMParser().parseFromString(await res.text(), "text/html"), only);
    } catch { /* the next change asks again */ } finally {
      asking = false;
      if (again) { again = false; refresh(only); }
    }
  }

  // ---- live: the server says that something changed ----
  let source = null, missed = false;
  function listen() {
    const watch = document.body.dataset.watch;
    if (!watch || source || document.hidden) return;
    source = new EventSource(watch);
    source.onopen = () => { root.classList.add("listening"); if (missed) { missed = false; refresh(); } };
    source.onerror = () => { root.classList.remove("listening"); missed = true; };
    source.addEventListener("changed", () => refresh());
    source.addEventListener("row", (e) => row(JSON.parse(e.data)));
    source.addEventListener("over", () => { refresh(); deaf(); });
  }
  function deaf() {
    source?.close();
    source = null;
    root.classList.remove("listening");
  }
  // A page in the background gives its connection to those in front.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (source) missed = true; deaf(); } else listen();
  });
  addEventListener("pagehide", deaf);
  addEventListener("pageshow", listen);

  // ---- the event explorer ----
  let waiting = [];
  function row(data) {
    const body = $("#events tbody");
    if (!body) { refresh(); return; }
    waiting.push(data.html);
    if (scrollY < 40 && !body.contains(document.activeElement)) pour(); else pill();
  }
  function pour() {
    const body = $("#events tbody");
    const t = document.createElement("template");
    t.innerHTML = waiting.reverse().join("");
    waiting = [];
    body.prepend(t.content);
    for (const old of $$("tr", body).slice(300)) old.remove();
    pill();
    narrow();
  }
  function pill() {
    const b = $("#new-events");
    if (!b) return;
    b.hidden = waiting.length === 0;
    $("button", b).textContent = waiting.length + (waiting.length === 1 ? " new event" : " new events");
  }
  function narrow() {
    const words = ($("#filter")?.value || "").toLowerCase().trim();
    for (const tr of $$("#events tbody tr")) tr.hidden = words !== "" && !tr.textContent.toLowerCase().includes(words);
  }
  let typing;
  function typed() {
    narrow(); // at once, of what is here
    clearTimeout(typing);
    typing = setTimeout(async () => {
      const form = $("#ask-events");
      const query = new URLSearchParams([...new FormData(form)].filter(([, v]) => v !== ""));
      history.replaceState(null, "", form.action.split("?")[0] + (query.size ? "?" + query : ""));
      await refresh("events");
      narrow();
      deaf();
      const watch = new URL(document.body.dataset.watch, location.href);
      for (const name of ["q", "project", "type", "filter"]) {
        if (query.get(name)) watch.searchParams.set(name, query.get(name)); else watch.searchParams.delete(name);
      }
      document.body.dataset.watch = watch.pathname + watch.search;
      missed = false;
      listen();
    }, 250);
  }

  // ---- tables are sorted by a click on their head ----
  function sortable(table) {
    for (const [column, th] of $$("thead th", table).entries()) {
      if (!("sort" in th.dataset) || $("button", th)) continue;
      const b = document.createElement("button");
      b.type = "button";
      b.append(...th.childNodes);
      th.append(b);
      b.addEventListener("click", () => {
        const up = th.getAttribute("aria-sort") !== "ascending";
        for (const other of $$("th", table)) other.removeAttribute("aria-sort");
        th.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (tr) => { const td = tr.cells[column]; return td ? td.dataset.by ?? td.textContent.trim() : ""; };
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const [x, y] = [key(a), key(b)];
          const by = x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y, "en", { numeric: true });
          return up ? by : -by;
        });
        table.tBodies[0].append(...rows);
      });
    }
  }

  // ---- commands are copied by a click ----
  function copyable(code) {
    if (!navigator.clipboard || code.nextElementSibling?.tagName === "BUTTON") return;
    const b = document.createElement("button");
    b.type = "button";
    b.textContent = "copy";
    b.setAttribute("aria-label", "Copy " + code.textContent);
    b.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      b.textContent = "copied";
      setTimeout(() => { b.textContent = "copy"; }, 1500);
    });
    code.after(b);
  }

  function prepare(from) {
    for (const t of $$("table.t", from)) sortable(t);
    for (const c of $$(".cli dt code", from)) copyable(c);
    tick();
  }
  prepare(document);

  // ---- search: suggestions while one types ----
  const box = $("#search");
  if (box) {
    const list = document.createElement("div");
    list.className = "suggest";
    list.id = "suggestions";
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Found");
    box.form.append(list);
    box.setAttribute("role", "combobox");
    box.setAttribute("aria-controls", "suggestions");
    box.setAttribute("aria-expanded", "false");
    box.setAttribute("aria-autocomplete", "list");
    const show = (on) => { list.hidden = !on; box.setAttribute("aria-expanded", String(on)); if (!on) box.removeAttribute("aria-activedescendant"); };
    let last = 0, pause;
    box.addEventListener("input", () => {
      clearTimeout(pause);
      pause = setTimeout(async () => {
        const words = box.value.trim(), mine = ++last;
        if (!words) return show(false);
        try {
          const res = await fetch("/search?part=1&q=" + encodeURIComponent(words));
          if (!res.ok || mine !== last) return;
          list.innerHTML = await res.text();
          $$("a", list).forEach((a, i) => { a.id = "found-" + i; a.setAttribute("role", "option"); a.tabIndex = -1; });
          show(document.activeElement === box);
        } catch { show(false); }
      }, 120);
    });
    box.addEventListener("keydown", (e) => {
      const all = $$("a", list), at = all.findIndex((a) => a.getAttribute("aria-selected") === "true");
      if (e.key === "Escape") { if (list.hidden) box.blur(); show(false); return; }
      if (list.hidden || all.length === 0) return;
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault();
        const to = (at + (e.key === "ArrowDown" ? 1 : -1) + all.length) % all.length;
        all.forEach((a, i) => a.setAttribute("aria-selected", String(i === to)));
        box.setAttribute("aria-activedescendant", all[to].id);
        all[to].scrollIntoView({ block: "nearest" });
      } else if (e.key === "Enter" && at >= 0) {
        e.preventDefault();
        location.assign(all[at].href);
      }
    });
    box.addEventListener("blur", () => setTimeout(() => show(false), 150));
  }

  // ---- keys ----
  let pending = 0;
  document.addEventListener("keydown", (e) => {
    const keys = $("#keys");
    if (e.ctrlKey || e.metaKey || e.altKey || keys?.open) return;
    if (e.key === "Escape" && location.hash === "#nav") { location.hash = "#main"; return; }
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) return;
    if (Date.now() - pending < 1200) {
      pending = 0;
      const to = $(`.side a[data-key="${CSS.escape(e.key)}"]`);
      if (to) { e.preventDefault(); location.assign(to.href); }
      return;
    }
    if (e.key === "/" && box) { e.preventDefault(); box.focus(); box.select(); }
    else if (e.key === "g") pending = Date.now();
    else if (e.key === "?" && keys) keys.showModal();
    else if (e.key === "j" || e.key === "k") {
      const links = $$("#main .t tbody tr, #main .rows > li, #main .story > li").filter((r) => !r.hidden).map((r) => $("a", r)).filter(Boolean);
      const at = links.findIndex((a) => a === document.activeElement || a.closest("tr, li").contains(document.activeElement));
      links[Math.max(0, Math.min(links.length - 1, at + (e.key === "j" ? 1 : -1)))]?.focus();
    }
  });

  // ---- colours: the system's wish, unless somebody says otherwise ----
  const themes = ["", "light", "dark"];
  const button = $("[data-theme-switch]");
  const tell = () => {
    const now = root.dataset.theme || "";
    if (button) { button.textContent = now ? "Colours: " + now : "Colours: system"; button.setAttribute("aria-label", "Colours: " + (now || "as the system has them")); }
  };
  button?.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "") + 1) % themes.length];
    if (next) root.dataset.theme = next; else delete root.dataset.theme;
    $('meta[name="color-scheme"]').content = next || "light dark";
    document.cookie = "slipway_theme=" + next + "; path=/; samesite=strict; max-age=" + (next ? 31536000 : 0);
    tell();
  });
  tell();

  document.addEventListener("input", (e) => { if (e.target.closest("#ask-events")) typed(); });
  document.addEventListener("submit", (e) => { if (e.target.id === "ask-events") { e.preventDefault(); typed(); } });
  document.addEventListener("click", (e) => { if (e.target.closest("#new-events button")) { scrollTo(0, 0); pour(); } });
  listen();
})();
