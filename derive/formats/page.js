"use strict";
(async () => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- what a large page has packed
  const packed = all("[data-packed]");
  await Promise.all(packed.map(async (one) => {
    const bytes = Uint8Array.from(atob(one.dataset.packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    one.outerHTML = await new Response(stream).text();
  }));

  const tip = byId("_tip");
  const narrow = matchMedia("(max-width: 67.99rem)");
  const roomy = matchMedia("(min-width: 80rem)");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  root.classList.add("can");
  all(".bar [hidden]").forEach((one) => { one.hidden = false; });

  // ---- what is remembered while the page is open
  const memory = {
    get(key) { try { return sessionStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { sessionStorage.setItem(key, value); } catch { /* then it is not */ } },
  };

  // ---- dark and light
  const theme = byId("_theme");
  const isDark = () => getComputedStyle(root).colorScheme === "dark";
  const choose = (name) => {
    if (name) root.dataset.theme = name;
    theme.setAttribute("aria-pressed", String(isDark()));
  };
  choose(memory.get("theme"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => choose(""));
  theme.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    memory.set("theme", next);
    choose(next);
  });

  // ---- opening and closing
  const sections = all("section > details");
  const reasons = all("details.by");
  const pressed = byId("_reasons");
  const open = (list, state) => list.forEach((one) => { one.open = state; });
  pressed.hidden = reasons.length === 0;
  byId("_open").addEventListener("click", () => { open([...sections, ...reasons], true); tell(true); });
  byId("_close").addEventListener("click", () => open(sections, false));
  const tell = (state) => pressed.setAttribute("aria-pressed", String(state));
  pressed.addEventListener("click", () => {
    const state = pressed.getAttribute("aria-pressed") !== "true";
    open(reasons, state);
    tell(state);
  });
  const reveal = (target) => {
    for (let at = target; at; at = at.parentElement) if (at.localName === "details") at.open = true;
    if (target.localName === "section") target.querySelector("details").open = true;
  };
  const goTo = (id) => {
    const target = id && byId(id);
    if (!target) return false;
    reveal(target);
    return target;
  };
  addEventListener("hashchange", () => goTo(location.hash.slice(1)));
  const start = goTo(location.hash.slice(1));
  if (start && packed.length) start.scrollIntoView({ behavior: "instant" });

  // ---- the list of sections
  const bar = document.querySelector(".bar");
  const menu = byId("_menu");
  const fold = (shown) => {
    bar.classList.toggle("shown", shown);
    menu.setAttribute("aria-expanded", String(shown));
  };
  menu.addEventListener("click", () => fold(!bar.classList.contains("shown")));
  const nav = document.querySelector("nav");
  const links = new Map(all("nav a").map((a) => [a.hash.slice(1), a]));
  const seen = new Set();
  const here = new IntersectionObserver((entries) => {
    entries.forEach((e) => seen[e.isIntersecting ? "add" : "delete"](e.target.id));
    let found = false;
    for (const [id, a] of links) {
      const current = !found && seen.has(id);
      found = found || current;
      if (!current) a.removeAttribute("aria-current");
      else if (!a.hasAttribute("aria-current")) {
        a.setAttribute("aria-current", "true");
        const { offsetTop: top, offsetHeight: height } = a;
        if (top < nav.scrollTop || top + height > nav.scrollTop + nav.clientHeight) nav.scrollTop = top - height;
      }
    }
  }, { rootMargin: "-12% 0px -70% 0px" });
  all("main > section").forEach((one) => here.observe(one));

  // ---- what a symbol means
  const entries = new Map();
  for (const one of [...all("tr[data-for]"), ...all("[data-for]", byId("_glossary").content)]) {
    const key = one.dataset.for;
    entries.set(key, [...(entries.get(key) || []), one]);
  }
  const entry = (one) => {
    if (one.localName !== "tr") return one.cloneNode(true);
    const box = document.createElement("div");
    [["b", "span"], ["p"]].forEach((tags, i) => {
      const line = document.createElement("p");
      tags.forEach((tag, j) => {
        const part = document.createElement(tag === "p" ? "span" : tag);
        part.append(...[...one.children[i + i + j].childNodes].map((node) => node.cloneNode(true)));
        if (tag === "span") part.className = "shape";
        line.append(part, " ");
      });
      box.append(line);
    });
    return box;
  };
  const known = (key) => entries.get(key) || entries.get(key.replace(/^m:/, "p:"));
  const symbolAt = (node) => {
    const found = node.closest && node.closest("[data-sym]");
    return found && !found.closest("#_tip") && known(found.dataset.sym) ? found : null;
  };
  let shown = null;
  let waiting = 0;
  const hide = () => {
    clearTimeout(waiting);
    if (!shown) return;
    shown.removeAttribute("aria-describedby");
    all(".hit").forEach((one) => one.classList.remove("hit"));
    shown = null;
    tip.hidden = true;
  };
  const place = () => {
    const at = shown.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(at.left + at.width / 2 - size.width / 2, 8), root.clientWidth - size.width - 8);
    const above = at.top - size.height - 8;
    tip.style.left = `${Math.max(left, 8)}px`;
    tip.style.top = `${above > 56 ? above : at.bottom + 8}px`;
  };
  const show = (symbol) => {
    clearTimeout(waiting);
    if (shown === symbol) return;
    hide();
    shown = symbol;
    const key = symbol.dataset.sym;
    tip.replaceChildren(...known(key).map(entry));
    all(`[data-sym="${CSS.escape(key)}"]`).forEach((one) => one.classList.add("hit"));
    symbol.setAttribute("aria-describedby", "_tip");
    tip.hidden = false;
    place();
  };
  const later = (action, wait) => { clearTimeout(waiting); waiting = setTimeout(action, wait); };
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const symbol = symbolAt(event.target);
    if (symbol) later(() => show(symbol), shown ? 40 : 120);
    else if (event.target.closest("#_tip")) clearTimeout(waiting);
    else if (shown && shown !== document.activeElement) later(hide, 180);
    else clearTimeout(waiting);
  });
  document.addEventListener("click", (event) => {
    const symbol = symbolAt(event.target);
    if (symbol) show(symbol);
    else if (!event.target.closest("#_tip")) hide();
    const link = event.target.closest('a[href^="#"]');
    if (link) {
      const target = goTo(link.hash.slice(1));
      if (narrow.matches) fold(false);
      if (target && target.closest("#_dock")) bring(target.closest("[data-n]"));
    }
  });
  addEventListener("scroll", () => { if (shown) place(); }, { passive: true, capture: true });
  addEventListener("resize", () => { if (shown) place(); });

  // ---- equations and the lines of the program that compute them
  const numbered = all("[data-n]");
  const carriers = new Map();
  for (const one of numbered) for (const n of one.dataset.n.split(" ")) {
    carriers.set(n, [...(carriers.get(n) || []), one]);
  }
  const bring = (line) => {
    const box = line.closest("pre");
    if (line.offsetTop >= box.scrollTop && line.offsetTop + line.offsetHeight <= box.scrollTop + box.clientHeight) return;
    const top = line.offsetTop - box.clientHeight / 3;
    box.scrollTo({ top, behavior: calm.matches ? "auto" : "smooth" });
  };
  let lit = [];
  const light = (one) => {
    lit.forEach((other) => other.classList.remove("lit"));
    const found = one ? one.dataset.n.split(" ").flatMap((n) => carriers.get(n)) : [];
    lit = [...new Set(found)];
    lit.forEach((other) => other.classList.add("lit"));
    const line = lit.find((other) => other.closest("#_dock"));
    if (line && !one.closest(".listing")) bring(line);
  };
  const carrier = (node) => (node && node.closest ? node.closest("[data-n]") : null);
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "touch") light(carrier(event.target) || carrier(document.activeElement));
  });
  document.addEventListener("focusin", (event) => light(carrier(event.target)));
  document.addEventListener("focusout", (event) => { if (!event.relatedTarget) light(null); });

  // ---- one stop of the tabulator for a line; arrows go through what is in it
  const lines = all(".eq");
  for (const line of lines) {
    line.tabIndex = 0;
    line.setAttribute("role", "group");
    line.setAttribute("aria-label", line.dataset.n ? `Equation ${line.dataset.n.replaceAll(" ", ", ")}` : "Equation");
    all("a, summary", line).forEach((one) => { one.tabIndex = -1; });
  }
  for (const listing of all(".listing")) {
    all("[data-n]", listing).forEach((one) => { one.tabIndex = -1; });
    all("a", listing).forEach((one, i) => { one.tabIndex = i ? -1 : 0; });
  }
  all(".eq b:not([class])").forEach((one) => { one.title = "checked by machine"; });
  all(".eq .no").forEach((one) => { one.title = "shown to be false by machine"; });
  all(".eq .n a").forEach((a) => { a.title = "to the program"; });
  all(".listing .n a").forEach((a) => { a.title = "to the equation"; });
  const stops = (line) => all("a, summary, [data-sym]", line)
    .filter((one) => (one.dataset.sym === undefined || known(one.dataset.sym)) && one.getClientRects().length);
  const visit = (one) => {
    if (one.dataset.sym !== undefined) one.tabIndex = -1;
    one.focus({ preventScroll: true });
    one.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  const along = (line, event) => {
    const within = stops(line);
    const at = within.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: within.length - 1 }[event.key];
    if (to === undefined || (event.key !== "ArrowRight" && event.key !== "ArrowLeft" && at < 0)) return;
    event.preventDefault();
    if (to >= within.length) {
      const next = lines[lines.indexOf(line) + 1];
      if (next) visit(next);
    } else visit(to < 0 ? line : within[to]);
  };
  const down = (link, event) => {
    const within = all("a", link.closest(".listing"));
    const to = within.indexOf(link) + { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!within[to]) return;
    event.preventDefault();
    link.tabIndex = -1;
    within[to].tabIndex = 0;
    visit(within[to]);
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const target = event.target;
    if (event.key === "Escape") {
      if (bar.classList.contains("shown")) { fold(false); menu.focus(); }
      const line = shown && shown === document.activeElement && shown.closest(".eq");
      hide();
      if (line) line.focus();
    } else if (target.closest(".listing") && target.localName === "a") {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") down(target, event);
    } else if (target.closest(".eq") && !target.matches(".wide")) along(target.closest(".eq"), event);
  });
  document.addEventListener("focusin", (event) => {
    const symbol = symbolAt(event.target);
    if (symbol && symbol === event.target) show(symbol);
    else if (!event.target.closest("#_tip")) hide();
  });

  // ---- the program beside the equations
  const dock = byId("_dock");
  const beside = byId("_beside");
  const listings = all(".listing").filter((one) => one.querySelector("[data-n]")).map((one) => {
    const mark = document.createComment("listing");
    one.before(mark);
    return [one, mark];
  });
  root.classList.toggle("coded", listings.length > 0 && lines.some((one) => one.querySelector(".n a")));
  let wanted = memory.get("beside") !== "no";
  const lay = (printing) => {
    const docked = wanted && roomy.matches && !printing && root.classList.contains("coded");
    root.classList.toggle("docked", docked);
    dock.hidden = !docked;
    beside.setAttribute("aria-pressed", String(docked));
    if (docked) dock.append(...listings.map(([one]) => one));
    else listings.forEach(([one, mark]) => mark.after(one));
  };
  beside.addEventListener("click", () => { wanted = !wanted; memory.set("beside", wanted ? "yes" : "no"); lay(false); });
  roomy.addEventListener("change", () => lay(false));
  lay(false);

  // ---- everything is printed, and the screen is afterwards as it was
  let before = null;
  const print = (begins) => {
    if (begins && !before) {
      hide();
      const closed = all("details").filter((one) => !one.open);
      open(closed, true);
      before = closed;
      lay(true);
    } else if (!begins && before) {
      open(before, false);
      before = null;
      lay(false);
    }
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  matchMedia("print").addEventListener("change", (event) => print(event.matches));

  // ---- what scrolls by itself can be reached by keyboard
  const scrollable = () => all(".wide, .listing pre").forEach((box) => {
    if (box.scrollWidth > box.clientWidth && !box.querySelector("a")) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
  scrollable();
  addEventListener("resize", scrollable);
})();
