"use strict";
/* The page. Everything that a model, a program or a person wrote goes into the document as text (el, never innerHTML).
   Where the data lies in the page itself (#data) nothing is asked of any server and nothing can be changed. */
(() => {
  const embedded = document.getElementById("data");
  const DATA = embedded ? JSON.parse(embedded.textContent) : null;
  const app = document.getElementById("app");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const SIGNS = { pending: "○", ready: "▷", running: "▶", waiting: "?", passed: "✓", failed: "✗", blocked: "⊘", skipped: "–" };
  const WORDS = { pending: "not started", ready: "waits for a slot", running: "running", waiting: "waits for you", passed: "proven",
    failed: "failed", blocked: "blocked", skipped: "left out" };
  const TRUST = ["spec", "human", "agreed", "contract", "single"]; // strongest first
  const MANY = 150; // components from which on the picture leaves details out
  const GROUPED = 400; // components from which on folders are shown first

  // Cytoscape would add a <style> of one rule, which the policy forbids and #graph does not need; it looks for this id first.
  document.querySelector("link[rel=stylesheet], style").id = "__________cytoscape_stylesheet";

  // -- small things

  // The characters of agent/printable.py: what a reader would obey or not see is spelled out.
  const UNSAFE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u06dd\u070f\u08e2\u180e\u0600-\u0605\u0890\u0891\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{110bd}\u{110cd}\u{13430}-\u{1343f}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}\ud800-\udfff]/gu;
  function plain(text) {
    return String(text).replaceAll("\r\n", "\n").replace(UNSAFE, found => {
      const hex = found.codePointAt(0).toString(16);
      return hex.length <= 2 ? `\\x${hex.padStart(2, "0")}` : hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
    });
  }

  function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : name.startsWith("data-") ? value : plain(value));
    }
    made.append(...children.flat().filter(child => child !== null && child !== undefined && child !== "").map(child => child instanceof Node ? child : plain(child)));
    return made;
  }
  /* New children for a place. Who is at one of the old ones with the keyboard stays at its like. */
  function replace(place, ...children) {
    const at = place.contains(document.activeElement) && document.activeElement !== place ? document.activeElement : null;
    place.replaceChildren(...children.flat().filter(Boolean));
    const like = at && [...place.querySelectorAll(at.tagName)].find(one => one.textContent === at.textContent && one.getAttribute("aria-label") === at.getAttribute("aria-label"));
    like?.focus({ preventScroll: true });
  }
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  function duration(seconds) {
    const whole = Math.max(0, Math.round(seconds || 0));
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  }
  const money = usd => usd === null || usd === undefined ? "price unknown" : usd >= 0.01 || usd === 0 ? `$${usd.toFixed(2)}` : `$${usd.toFixed(4)}`;
  const when = seconds => seconds ? new Date(seconds * 1000).toLocaleString() : "";

  function say(text, bad = false) {
    const box = el("div", { class: `said${bad ? " bad" : ""}`, role: "status" }, text);
    document.body.append(box);
    setTimeout(() => box.remove(), bad ? 9000 : 4000);
  }

  // -- where data comes from

  async function get(path) {
    if (DATA) {
      const [, run, kind, ...rest] = path.split("/").slice(1).map(decodeURIComponent);
      const known = kind === undefined ? DATA.snapshot : kind === "story" ? { story: DATA.story } : DATA[kind] && DATA[kind][rest.join("/")];
      if (!known || run !== DATA.snapshot.run.id) throw new Error("that is not in this file");
      return known;
    }
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    const body = await answer.json().catch(() => ({ error: `the server said ${answer.status}` }));
    if (!answer.ok) throw new Error(body.error || `the server said ${answer.status}`);
    return body;
  }

  /* Do something to a run; whether it was done. What is wrong with a plan goes into `problems`, a list. */
  async function act(run, what, body, problems = null) {
    try {
      const answer = await fetch(`api/runs/${encodeURIComponent(run)}/${what}`, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      const said = await answer.json().catch(() => ({ error: `the server said ${answer.status}` }));
      say(answer.ok ? said.said : said.error, !answer.ok);
      if (problems) replace(problems, (said.problems || []).map(problem => el("li", {}, problem)));
      return answer.ok;
    } catch (error) {
      say(`the server does not answer: ${error.message}`, true);
      return false;
    }
  }

  // -- text: code in colour, differences

  const PYTHON = /("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(#[^\n]*)|\b(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|match|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b|\b(\d[\w.]*)/g;
  function code(text, path = "x.py") {
    const box = el("pre", { tabindex: "0" });
    text = plain(text);
    if (!path.endsWith(".py") || text.length > 200000) { box.append(text); return box; }
    let at = 0;
    for (const found of text.matchAll(PYTHON)) {
      box.append(text.slice(at, found.index), el("span", { class: found[1] ? "t" : found[2] ? "c" : found[3] ? "k" : "n" }, found[0]));
      at = found.index + found[0].length;
    }
    box.append(text.slice(at));
    return box;
  }
  const prose = text => el("pre", { class: "wrap", tabindex: "0" }, text);

  function difference(before, after) {
    // Myers would be shorter in time; a table is shorter to read, and files are short. Equal ends are taken off first.
    const old = plain(before).split("\n"), now = plain(after).split("\n");
    let start = 0, end = 0;
    while (start < old.length && start < now.length && old[start] === now[start]) start++;
    while (end < old.length - start && end < now.length - start && old[old.length - 1 - end] === now[now.length - 1 - end]) end++;
    const a = old.slice(start, old.length - end), b = now.slice(start, now.length - end);
    const box = el("pre", { tabindex: "0" });
    const line = (kind, text) => box.append(kind === " " ? `  ${text}\n` : el("span", { class: kind === "+" ? "diff-add" : "diff-del" }, `${kind} ${text}`));
    old.slice(Math.max(0, start - 3), start).forEach(text => line(" ", text));
    if (a.length * b.length > 4e6) { a.forEach(t => line("-", t)); b.forEach(t => line("+", t)); } else {
      const longest = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
      for (let i = a.length - 1; i >= 0; i--)
        for (let j = b.length - 1; j >= 0; j--)
          longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
      let i = 0, j = 0;
      while (i < a.length || j < b.length) {
        if (i < a.length && j < b.length && a[i] === b[j]) { line(" ", a[i]); i++; j++; }
        else if (j >= b.length || (i < a.length && longest[i + 1][j] >= longest[i][j + 1])) line("-", a[i++]);
        else line("+", b[j++]);
      }
    }
    now.slice(now.length - end, now.length - end + 3).forEach(text => line(" ", text));
    return box;
  }

  // -- the picture's small things

  /* Where a line bends, as Cytoscape wants it: how far along the straight line between its ends, and how far beside it. */
  function bends(from, to, via, height) {
    const x = to.x - from.x, y = to.y - from.y - height, square = x * x + y * y, length = Math.sqrt(square);
    const away = via.map(([px, py]) => [px - from.x, py - from.y - height / 2]);
    return { weights: away.map(([px, py]) => (px * x + py * y) / square), distances: away.map(([px, py]) => (py * x - px * y) / length) };
  }
  /* A name that may be broken after an underscore or a slash, and nowhere else. */
  const broken = name => plain(name).replace(/[_/.]/g, "$&\u200b");
  /* At most about two lines, cut between words. */
  function short(words) {
    const text = plain(words || "").replaceAll("\n", " ");
    return text.length <= 64 ? text : `${text.slice(0, 63).replace(/\s+\S*$/, "")} …`;
  }

  // -- all runs

  async function showRuns() {
    const { runs } = await get("api/runs");
    const rows = runs.map(run => el("tr", {},
      el("td", {}, el("a", { href: `#/${encodeURIComponent(run.id)}` }, run.title || run.id), el("div", { class: "small soft mono" }, run.id)),
      el("td", { class: `status s-${run.status}` }, run.status),
      el("td", {}, run.total ? `${run.passed} of ${run.total}` : "–"),
      el("td", {}, money(run.usd)), el("td", {}, duration(run.seconds)), el("td", { class: "small" }, when(run.started))));
    document.title = "Runs – stepgraph";
    clearTimeout(looking);
    looking = setTimeout(() => { if (!shown) route(); }, 3000);
    replace(app, el("header", {}, el("h1", { class: "grow" }, "Runs")),
      el("main", { class: "page" }, rows.length ? el("table", {}, el("thead", {}, el("tr", {}, ...["Run", "Status", "Proven", "Cost", "Time", "Began"].map(name =>
        el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows)) : el("p", {}, "There is no run yet. Start one with: agent run spec.md")));
  }

  // -- one run

  let shown = null; // the run that is looked at
  let looking = 0; // the timer of the list of runs

  class Run {
    constructor(id, data) {
      this.id = id;
      this.take(data);
      this.at = null; // index of the revision that is looked at; null: the one in force
      this.folders = null;
      this.build();
      if (!DATA) this.listen();
      this.beat = setInterval(() => this.tick(), 1000);
    }

    take(data) {
      this.version = data.version;
      this.run = data.run;
      this.began = Date.now() / 1000 - data.run.seconds;
      const before = this.components;
      if ("plan" in data) {
        this.plan = data.plan;
        this.components = Object.create(null); // ids are names that others chose: "constructor" is one
        this.known = new Map((this.plan ? this.plan.components : []).map(c => [c.id, c]));
        for (const name of this.known.keys()) if (before && before[name]) this.components[name] = before[name];
      }
      if (data.history) this.history = data.history;
      for (const [name, state] of Object.entries(data.components)) if (this.known.has(name)) this.components[name] = state;
    }

    listen() {
      this.stream = new EventSource(`api/runs/${encodeURIComponent(this.id)}/stream?since=${this.version}`);
      this.stream.addEventListener("changes", event => {
        const data = JSON.parse(event.data);
        this.take(data);
        if ("plan" in data) this.draw();
        else this.paint(Object.keys(data.components));
        this.head(); this.listed(); this.banner();
        // What is open is asked for anew, at most once a second.
        if (this.selected?.kind === "component" && Object.hasOwn(data.components, this.selected.id))
          this.refresh ??= setTimeout(() => { this.refresh = null; if (this.selected) this.open(this.selected, true); }, 1000);
      });
      this.stream.onerror = () => this.lost(true);
      this.stream.onopen = () => this.lost(false);
    }

    lost(is) { this.gone = is; this.head(); }

    leave() { clearInterval(this.beat); clearInterval(this.pulse); clearTimeout(this.refresh); removeEventListener("keydown", this.escape); this.sized?.disconnect(); this.stream?.close(); this.cy?.destroy(); }

    build() {
      this.header = el("header");
      this.banners = el("section", { "aria-label": "What you can say" });
      this.search = el("input", { type: "search", placeholder: "Find a component", "aria-label": "Find a component", oninput: () => this.find() });
      this.slider = el("input", { type: "range", min: 0, "aria-label": "Revision of the plan", oninput: () => this.revise(Number(this.slider.value)) });
      this.sliderText = el("span", { class: "small" });
      this.sliderBox = el("label", { class: "slider" }, this.slider, this.sliderText);
      this.folderButton = el("button", { "aria-pressed": "false", onclick: () => this.fold() }, "Folders");
      this.tools = el("section", { class: "tools", "aria-label": "What is shown" }, this.search,
        el("button", { onclick: () => { this.moved = false; this.fit(); } }, "All"),
        el("button", { onclick: () => this.zoomTo(["running", "ready"]) }, "What runs"),
        el("button", { onclick: () => this.zoomTo(["failed", "waiting", "blocked"]) }, "What fails"),
        this.folderButton, el("button", { onclick: () => this.showStory() }, "Story"), this.sliderBox);
      this.list = el("nav", { id: "list", "aria-label": "Components" });
      this.graph = el("div", { id: "graph", role: "img", "aria-label": "The plan as a graph; the same components are in the list beside it" });
      this.detail = el("aside", { id: "detail", hidden: true, "aria-label": "Details" });
      const legend = el("div", { id: "legend" }, ...["passed", "running", "ready", "waiting", "failed", "blocked", "pending"].map(status =>
        el("span", { class: `s-${status}` }, `${SIGNS[status]} ${WORDS[status]}`)), el("span", {}, "thick: critical path"), el("span", {}, "bar: changes of the code that tests noticed"));
      this.escape = event => { if (event.key === "Escape" && this.selected) { event.preventDefault(); this.leavePanel(); } };
      addEventListener("keydown", this.escape);
      this.sized = new ResizeObserver(() => { this.cy?.resize(); if (!this.moved) this.fit(); });
      this.sized.observe(this.graph);
      replace(app, this.header, this.banners, this.tools, el("main", {}, this.list, el("div", { id: "picture" }, this.graph, legend), this.detail));
      this.head(); this.banner(); this.draw(); this.listed();
      // A beat draws the whole picture anew, which is too much for thousands of boxes.
      if (!calm) this.pulse = setInterval(() => { if (this.cy && this.cy.nodes().length <= GROUPED) this.cy.batch(() => this.cy.nodes(".running").toggleClass("beat")); }, 700);
    }

    tick() { if (this.run.live) this.head(); }

    head() {
      const run = this.run, total = this.plan ? this.plan.components.length : 0, live = run.live && !DATA;
      const seconds = run.live && !DATA ? Date.now() / 1000 - this.began : run.seconds;
      this.clock ??= el("span");
      const cost = `${money(run.usage.usd)} · ${duration(seconds)}`;
      if (this.clock.textContent !== cost) this.clock.textContent = cost;
      const kept = JSON.stringify([run.title, run.status, run.phase, run.counts, total, run.live, this.gone]);
      if (kept === this.headShown) return;
      this.headShown = kept;
      document.title = plain(`${SIGNS[run.status] || ""} ${run.title || this.id} – stepgraph`);
      replace(this.header,
        DATA ? null : el("a", { href: "#/" }, "All runs"),
        el("h1", { class: "grow" }, run.title || this.id),
        el("span", { class: `status s-${run.status}` }, run.status + (run.phase ? `: ${run.phase}` : "")),
        el("span", {}, total ? `${run.counts.passed} of ${total} proven` : "no plan yet"),
        this.clock,
        this.gone ? el("span", { class: "error" }, "not connected; trying again") : null,
        DATA ? el("span", { class: "soft small" }, "a file: nothing in it can be changed") : null,
        live ? el("button", { onclick: () => act(this.id, "pause", {}) }, "Pause") : null,
        !DATA && !run.live && ["interrupted", "failed", "limit", "declined", "cancelled"].includes(run.status) ? el("button", { class: "primary", onclick: () => act(this.id, "resume", {}) }, "Resume") : null,
        live || (!DATA && ["interrupted", "limit"].includes(run.status)) ? el("button", { onclick: () => { if (confirm("End this run for good?")) act(this.id, "cancel", {}); } }, "Cancel") : null);
    }

    // -- what a person is asked, and can say

    banner() {
      const run = this.run, live = run.live && !DATA;
      const waits = live && this.plan && run.phase === "waiting for approval" ? this.plan.revision : null;
      const judged = !DATA && (["passed", "failed"].includes(run.status) || (live && run.phase === "finishing"));
      const open = DATA ? [] : run.questions.filter(q => q.answer === null && (!q.component || (this.components[q.component] || {}).status !== "passed"));
      const kept = JSON.stringify([open, waits, judged, run.reason, run.notes]);
      if (kept === this.bannerShown) return;
      this.bannerShown = kept;
      // What somebody is typing must not be thrown away because something else changed: forms stay the same ones.
      const before = this.forms || new Map(), focused = document.activeElement;
      this.forms = new Map();
      const form = (key, make) => { this.forms.set(key, before.get(key) || make()); return this.forms.get(key); };
      const boxes = [];
      if (run.reason) boxes.push(el("div", { class: "banner" }, run.reason));
      if (waits !== null) boxes.push(form(`plan ${waits}`, () => this.planForm(waits)));
      for (const question of open) boxes.push(form(`question ${question.id}`, () => this.questionForm(question)));
      if (judged) boxes.push(form("feedback", () => this.feedbackForm()));
      if (run.notes.length) boxes.push(el("details", { class: "banner" }, el("summary", {}, plural(run.notes.length, "note")), ...run.notes.map(note => el("p", { class: "small" }, note))));
      replace(this.banners, boxes);
      if (this.banners.contains(focused)) focused.focus();
    }

    planForm(revision) {
      const text = el("textarea", { "aria-label": "The plan as YAML", rows: 18, spellcheck: "false", class: "mono" });
      const problems = el("ul", { class: "error", "aria-label": "What is wrong with the edited plan" });
      const editor = el("form", { hidden: true, onsubmit: event => { event.preventDefault(); act(this.id, "approve", { revision, plan: text.value }, problems); } },
        text, el("button", { class: "primary" }, "Build the edited plan"));
      const edit = async () => {
        try {
          if (!text.value) text.value = (await get(`api/runs/${encodeURIComponent(this.id)}/plan`)).plan;
          editor.hidden = false;
          asIs.hidden = true; // what is in the editor is what is built
          text.focus();
        } catch (error) { say(error.message, true); }
      };
      const asIs = el("button", { class: "primary", onclick: () => act(this.id, "approve", { revision }) }, "Build it");
      return el("section", { class: "banner", "aria-label": "The plan waits for you" }, el("strong", {}, "Build this plan? "), `Nothing is built before you say so (revision ${revision}). `,
        asIs, " ",
        el("button", { onclick: edit }, "Edit"), " ", el("button", { onclick: () => act(this.id, "decline", { revision }) }, "Do not build"), editor, problems);
    }

    questionForm(question) {
      const text = el("textarea", { "aria-label": `Answer to ${question.id}`, required: true });
      const answer = said => act(this.id, "answer", { question: question.id, text: said });
      return el("section", { class: "banner", "aria-label": `Question ${question.id}` }, el("strong", {}, `${question.id} `), question.component ? el("em", {}, `${question.component}: `) : null, question.text,
        el("form", { onsubmit: event => { event.preventDefault(); answer(text.value); } },
          ...question.options.map(option => el("button", { type: "button", onclick: () => answer(option) }, option)),
          text, el("button", { class: "primary" }, "Answer")));
    }

    feedbackForm() {
      const text = el("textarea", { "aria-label": "What is wrong with the result", required: true });
      return el("details", { class: "banner" }, el("summary", {}, "Is the result right? Say what is wrong"),
        el("form", { onsubmit: async event => { event.preventDefault(); if (await act(this.id, "feedback", { text: text.value })) text.value = ""; } },
          text, el("button", { class: "primary" }, "Say it")));
    }

    // -- the list

    listed() {
      const wanted = this.search.value.trim().toLowerCase();
      const order = { failed: 0, waiting: 1, running: 2, ready: 3, blocked: 4, pending: 5, passed: 6 };
      const names = this.names().filter(name => name.toLowerCase().includes(wanted))
        .sort((a, b) => (order[(this.components[a] || {}).status] ?? 9) - (order[(this.components[b] || {}).status] ?? 9));
      const most = 300, made = this.items || new Map();
      this.items = new Map();
      const items = names.slice(0, most).map(name => {
        const known = this.components[name] || { status: "pending", words: "" }, current = this.selected?.id === name;
        const key = JSON.stringify([known.status, known.words, current]);
        const item = made.get(name)?.key === key ? made.get(name) : { key, row: el("li", {}, el("button", { "data-component": name, "aria-current": current ? "true" : "false", onclick: () => this.select({ kind: "component", id: name }) },
          el("span", { class: `s-${known.status}`, role: "img", "aria-label": WORDS[known.status] }, SIGNS[known.status] || "·"), ` ${name}`, el("span", { class: "words" }, known.words))) };
        this.items.set(name, item);
        return item.row;
      });
      const more = names.length - items.length, rows = [...(this.list.firstElementChild?.children || [])];
      if (this.listMore === more && rows.length === items.length && rows.every((row, i) => row === items[i])) return;
      this.listMore = more;
      const focused = document.activeElement?.dataset?.component, top = this.list.scrollTop;
      replace(this.list, el("ul", {}, ...items), more ? el("p", { class: "small soft" }, `and ${more} more; find them above`) : null);
      this.list.scrollTop = top;
      if (focused) this.items.get(focused)?.row.firstElementChild.focus({ preventScroll: true });
    }

    names() { return (this.at === null ? this.plan ? this.plan.components : [] : this.history[this.at].components).map(c => c.id); }

    // -- the picture

    draw() {
      const past = this.at === null ? null : this.history[this.at];
      const plan = past || this.plan;
      const components = plan ? plan.components : [];
      this.many = components.length > MANY;
      const group = c => { const parts = (c.files && c.files[0] || "").split("/"); return parts.length > 1 ? `folder ${parts.slice(0, parts.length > 2 ? 2 : 1).join("/")}` : null; };
      // Two folders or fewer tell nothing that the components do not.
      this.folders ??= components.length > GROUPED && new Set(components.map(group)).size > 2;
      this.opened ??= new Set();
      const home = this.home = new Map(components.map(c => [c.id, this.folders && !past && !this.opened.has(group(c)) && group(c) || c.id]));
      const [width, height] = this.box = this.plan ? this.plan.box : [230, 74];
      const nodes = new Map(), edges = new Map(), path = past || !plan ? [] : plan.critical_path;
      const steps = new Set(path.slice(1).map((id, i) => `${home.get(path[i])} → ${home.get(id)}`));
      for (const c of components) {
        const id = home.get(c.id);
        if (!nodes.has(id)) nodes.set(id, { group: "nodes", data: { id, members: [], label: "" } });
        nodes.get(id).data.members.push(c.id);
      }
      for (const [id, node] of nodes) {
        const { classes, ...data } = this.looks(id, node.data.members);
        for (const [key, value] of Object.entries(data)) if (value !== undefined) node.data[key] = value;
        node.classes = classes;
      }
      const placed = nodes.size === components.length && components.every(c => c.at);
      if (placed) for (const c of components) nodes.get(c.id).position = { x: c.at[0] + width / 2, y: c.at[1] + height / 2 };
      const lines = new Map(placed && !this.many ? (plan.edges || []).map(line => [`${line.from} → ${line.to}`, line.via]) : []);
      for (const c of components) for (const need of c.depends_on) {
        if (!home.has(need)) continue;
        const source = home.get(need), target = home.get(c.id), id = `${source} → ${target}`;
        if (source === target || edges.has(id)) continue;
        const via = (lines.get(id) || []).length ? bends(nodes.get(source).position, nodes.get(target).position, lines.get(id), height) : {};
        edges.set(id, { group: "edges", data: { id, source, target, ...via }, classes: [steps.has(id) ? "critical" : "", via.distances ? "bent" : ""].filter(Boolean).join(" ") });
      }
      this.cy?.destroy();
      this.cy = cytoscape({
        container: this.graph, elements: [...nodes.values(), ...edges.values()], style: this.style(),
        layout: placed ? { name: "preset", fit: false } : { name: "breadthfirst", directed: true, fit: false, spacingFactor: 1.1, avoidOverlap: true, animate: false },
        minZoom: 0.02, maxZoom: 2.5, autoungrabify: true, boxSelectionEnabled: false, textureOnViewport: this.many, hideEdgesOnViewport: components.length > 800, pixelRatio: this.many ? 1 : "auto",
      });
      this.moved = false;
      const spots = placed ? [...nodes.values()].map(node => node.position) : null; // asking Cytoscape takes a second for thousands
      this.extent = spots && spots.length ? spots.reduce(([a, b, c, d], { x, y }) => [Math.min(a, x), Math.min(b, y), Math.max(c, x), Math.max(d, y)], [Infinity, Infinity, -Infinity, -Infinity]) : null;
      this.cy.on("tap", "node", event => event.target.id().startsWith("folder ") ? this.unfold(event.target.id()) : this.select({ kind: "component", id: event.target.id() }));
      this.cy.on("tap", "edge", event => { const { source, target } = event.target.data(); if (!source.startsWith("folder ") && !target.startsWith("folder ")) this.select({ kind: "edge", id: `${source}/${target}`, source, target }); });
      this.cy.on("dragpan scrollzoom pinchzoom", () => { this.moved = true; });
      this.folderButton.hidden = !components.some(group);
      this.folderButton.setAttribute("aria-pressed", String(Boolean(this.folders)));
      const last = Math.max(0, this.history.length - 1);
      this.slider.max = last;
      if (this.at === null) this.slider.value = last;
      this.sliderBox.hidden = last === 0;
      this.tellRevision();
      this.mark();
      this.fit();
    }

    fit() {
      if (!this.cy) return;
      if (!this.extent) { this.cy.fit(undefined, 24); if (this.cy.zoom() > 1.2) { this.cy.zoom(1.2); this.cy.center(); } return; }
      const [left, top, right, bottom] = this.extent, [width, height] = [this.cy.width(), this.cy.height()];
      const zoom = Math.min(1.2, (width - 48) / (right - left + this.box[0]), (height - 48) / (bottom - top + this.box[1]));
      this.cy.viewport({ zoom: Math.max(zoom, 0.02), pan: { x: width / 2 - zoom * (left + right) / 2, y: height / 2 - zoom * (top + bottom) / 2 } });
    }

    style() {
      const big = this.many, [width, height] = this.box;
      const bar = name => `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="${color(name)}"/></svg>`)}`;
      const base = [
        { selector: "node", style: { shape: "round-rectangle", width, height, "background-color": color("pending-fill"), "border-width": 1.5, "border-color": color("pending"), label: "data(label)", color: color("ink"), "font-size": big ? 20 : 12.5, "font-family": "system-ui, sans-serif", "text-wrap": "wrap", "text-max-width": width - 8, "text-valign": "center", "text-halign": "center", "line-height": 1.25, "text-overflow-wrap": "whitespace", "min-zoomed-font-size": big ? 5 : 3 } },
        // Long names are set smaller rather than cut.
        { selector: "node[long]", style: { "font-size": node => Math.max(6, (big ? 20 : 12.5) * 28 / Math.max(28, node.data("long") * (big ? 1.5 : 1))) } },
        { selector: "node[bar]", style: { "background-image": bar("passed"), "background-image-opacity": 0.75, "background-width": node => `${node.data("bar")}%`, "background-height": 5, "background-position-x": 0, "background-position-y": "100%", "background-clip": "node" } },
        { selector: "edge", style: { width: 1.5, "line-color": color("soft"), "target-arrow-color": color("soft"), "target-arrow-shape": big ? "none" : "triangle", "curve-style": big ? "haystack" : "straight", opacity: 0.65, ...(big ? {} : { "source-endpoint": `0 ${height / 2}`, "target-endpoint": `0 ${-height / 2}` }) } },
        { selector: "edge.bent", style: { "curve-style": "round-segments", "edge-distances": "endpoints", "segment-distances": edge => edge.data("distances"), "segment-weights": edge => edge.data("weights"), "segment-radii": 30 } },
        { selector: "edge.critical", style: { width: 4, opacity: 0.9 } },
        { selector: "node.critical", style: { "border-width": 4 } },
        { selector: "node.folder", style: { "border-style": "double", "border-width": 4 } },
        { selector: "node:selected, node.found", style: { "outline-width": 4, "outline-color": color("accent"), "outline-offset": 2 } },
        { selector: "edge:selected", style: { "line-color": color("accent"), "target-arrow-color": color("accent"), opacity: 1, width: 4 } },
        { selector: "node.beat", style: { "border-width": 6 } },
        { selector: "node.faint", style: { opacity: 0.3 } },
        { selector: "node.added", style: { "border-width": 5, "border-color": color("passed") } },
        { selector: "node.stale", style: { "border-style": "dashed", "border-width": 4 } },
      ];
      for (const status of ["ready", "running", "waiting", "passed", "failed", "blocked"])
        base.push({ selector: `node.${status}`, style: { "background-color": color(`${status}-fill`), "border-color": color(status), "border-style": status === "blocked" ? "dashed" : status === "waiting" ? "dotted" : "solid" } });
      return base;
    }

    /* What a box says and how it is drawn. */
    looks(id, members) {
      const past = this.at === null ? null : this.history[this.at];
      if (past) {
        const kind = past.added.includes(id) ? "added" : past.stale.includes(id) ? "stale" : "";
        return { label: `${kind === "added" ? "+ " : kind === "stale" ? "↻ " : ""}${broken(id)}`, classes: kind };
      }
      const states = members.map(name => this.components[name]).filter(Boolean);
      const order = ["failed", "waiting", "running", "ready", "blocked", "pending", "passed"];
      const status = order.find(s => states.some(state => state.status === s)) || "pending";
      if (id.startsWith("folder "))
        return { label: `${SIGNS[status]} ${broken(id.slice(7))}\n${states.filter(s => s.status === "passed").length} of ${members.length} proven`, classes: `folder ${status}` };
      const state = states[0] || { status: "pending", words: "" }, level = state.strength;
      const classes = this.known.get(id)?.critical ? `${status} critical` : status, longest = Math.max(...id.split("_").map(part => part.length)) + 3;
      const long = longest * (this.many ? 1.5 : 1) > 28 ? longest : undefined;
      if (this.many) return { label: `${SIGNS[status]} ${broken(id)}`, classes, long };
      const proof = [state.total !== null && state.total !== undefined ? `${state.passed}/${state.total} tests` : "", level && level.total ? `${level.killed}/${level.total} mutants` : ""].filter(Boolean).join(" · ");
      const trust = TRUST.filter(kind => state.trusted && state.trusted[kind]).map(kind => `${state.trusted[kind]} ${kind}`).join(", ");
      const proven = status === "passed";
      return {
        label: [`${SIGNS[status]} ${broken(id)}`, proven ? `${state.kept ? "kept · " : ""}${proof}` : short(state.words), proven && trust ? `trust: ${trust}` : ""].filter(Boolean).join("\n"),
        classes, long, bar: proven && level && level.total ? Math.round(100 * level.killed / level.total) : undefined,
      };
    }

    /* Bring the boxes of some components up to date. */
    paint(names) {
      if (!this.cy || this.at !== null) return;
      const wanted = new Set(names.map(name => this.home.get(name)).filter(Boolean));
      this.cy.batch(() => wanted.forEach(id => {
        const node = this.cy.getElementById(id), { classes, ...data } = this.looks(id, node.data("members"));
        node.data(data);
        if (data.bar === undefined) node.removeData("bar");
        node.classes([classes, ...["found", "faint", "beat"].filter(mark => node.hasClass(mark))].join(" "));
      }));
    }

    find() {
      const wanted = this.search.value.trim().toLowerCase();
      this.listed();
      const found = this.cy.nodes().filter(node => wanted && node.data("members").some(name => name.toLowerCase().includes(wanted)));
      this.cy.batch(() => { this.cy.nodes().removeClass("found faint"); if (wanted) { this.cy.nodes().addClass("faint"); found.removeClass("faint").addClass("found"); } });
      if (found.length) this.see(found, 80);
      else if (!wanted) this.fit();
    }

    see(some, padding) {
      this.moved = true;
      this.cy.animate({ fit: { eles: some, padding }, duration: calm ? 0 : 200, complete: () => { if (this.cy.zoom() > 1.2) { this.cy.zoom(1.2); this.cy.center(some); } } });
    }

    zoomTo(statuses) {
      const found = this.cy.nodes(statuses.map(status => `.${status}`).join(","));
      if (found.length) this.see(found, 60);
      else say(`no component is ${statuses.map(status => WORDS[status]).join(" or ")}`);
    }

    fold() { this.folders = !this.folders; this.opened = new Set(); this.draw(); }
    unfold(folder) { this.opened.add(folder); this.draw(); }

    revise(index) { this.at = index >= this.history.length - 1 ? null : index; this.draw(); this.listed(); this.showRevision(index); }

    tellRevision() {
      const index = this.at === null ? this.history.length - 1 : this.at, one = this.history[index];
      this.slider.setAttribute("aria-valuetext", one ? plain(`plan ${one.revision}, by ${one.author}`) : "none");
      this.sliderText.textContent = one ? `plan ${one.revision}${this.at === null ? " (now)" : ""}: ${one.author}` : "";
    }

    showRevision(index) {
      const one = this.history[index];
      this.selected = { kind: "revision", id: String(one.revision) };
      this.panel(`Plan ${one.revision}`, el("p", {}, one.why || "no reason is given"), el("p", { class: "soft small" }, `by ${one.author}, ${when(one.ts)}`),
        ...one.edits.map(edit => el("div", {}, el("h3", {}, edit.what), edit.reason ? el("p", {}, edit.reason) : null, ...edit.evidence.map(text => prose(text)))),
        ...[["New", one.added], ["Built again", one.stale], ["Gone", one.dropped]].filter(([, names]) => names.length).map(([word, names]) => el("p", {}, `${word}: ${names.join(", ")}`)));
    }

    // -- details

    select(what) { location.hash = `#/${[this.id, what.kind, ...what.id.split("/")].map(encodeURIComponent).join("/")}`; }

    panel(title, ...children) {
      this.detail.hidden = false;
      this.title = el("h2", { tabindex: "-1" }, title);
      replace(this.detail, el("button", { class: "close", "aria-label": "Close", onclick: () => this.leavePanel() }, "✕"), this.title, ...children);
    }

    /* Close the panel from within: the address says so too, and the keyboard goes back to where it came from. */
    leavePanel() {
      const name = this.selected?.kind === "component" ? this.selected.id : null;
      this.close();
      history.pushState(null, "", `#/${encodeURIComponent(this.id)}`);
      (this.items.get(name)?.row.firstElementChild || this.search).focus({ preventScroll: true });
    }

    close() {
      this.detail.hidden = true;
      this.selected = null;
      this.mark();
      this.listed();
    }

    /* Which box or line is the one that is looked at. */
    mark() {
      this.cy?.elements().unselect();
      if (this.selected) this.cy?.getElementById(this.selected.kind === "edge" ? `${this.selected.source} → ${this.selected.target}` : this.selected.id).select();
    }

    async open(what, again = false) {
      this.selected = what;
      this.mark();
      if (!again) { this.tab = this.tab || "contract"; this.file = 0; this.openShown = null; }
      const address = `api/runs/${encodeURIComponent(this.id)}/${what.kind}s/${what.id.split("/").map(encodeURIComponent).join("/")}`;
      try {
        const data = await get(address);
        if (this.selected !== what) return;
        const text = JSON.stringify(data);
        if (text === this.openShown) return;
        this.openShown = text;
        if (what.kind === "component") this.showComponent(what.id, data, again);
        else if (what.kind === "edge") this.showEdge(data);
        else this.showCall(data.call);
      } catch (error) {
        if (this.selected !== what) return;
        this.panel(what.id, el("p", { class: "error" }, error.message));
      }
      this.listed();
      if (!again) { this.detail.scrollTop = 0; this.title.focus({ preventScroll: true }); }
    }

    showComponent(name, data, again) {
      const top = again ? this.detail.scrollTop : 0;
      const state = data.state, TABS = { contract: "Contract", tests: `Tests (${state.tests.length})`, files: "Files", calls: `Calls (${data.calls.length})`, story: "Story" };
      const body = el("div", { role: "tabpanel" });
      const tabs = el("div", { class: "tabs", role: "tablist" }, ...Object.entries(TABS).map(([key, word]) =>
        el("button", { role: "tab", "aria-selected": String(this.tab === key), tabindex: this.tab === key ? "0" : "-1", onclick: event => {
          this.tab = key;
          for (const tab of tabs.children) { const is = tab === event.currentTarget; tab.setAttribute("aria-selected", String(is)); tab.tabIndex = is ? 0 : -1; }
          this.fill(body, data, name); } }, word)));
      tabs.addEventListener("keydown", event => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], all = [...tabs.children];
        if (step) { const next = all.at((all.indexOf(event.target) + step) % all.length); next.focus(); next.click(); }
      });
      const trust = TRUST.filter(kind => state.trusted[kind]).map(kind => `${state.trusted[kind]} ${kind}`).join(", ");
      const level = state.strength;
      this.panel(`${SIGNS[state.status]} ${name}`,
        el("p", {}, el("span", { class: `status s-${state.status}` }, WORDS[state.status]), state.words && state.words !== WORDS[state.status] ? `: ${state.words}` : ""),
        state.reason ? el("p", {}, state.reason) : null,
        !DATA && !this.run.live && state.status === "failed" ? el("button", { onclick: () => act(this.id, "retry", { component: name }) }, "Try it again") : null,
        el("dl", {}, ...[["Cost", money(state.usage.usd)], ["Time", state.seconds ? duration(state.seconds) : null], ["Attempts", state.attempts || null],
          ["Proof level", level && level.total ? `${level.killed} of ${plural(level.total, "mutant")} noticed` : level && level.reason || null], ["Trust in tests", trust],
          ["Needs", this.links(data.needs, name)], ["Needed by", this.links(data.needed_by)]].filter(([, value]) => value && (!Array.isArray(value) || value.length)).flatMap(([word, value]) => [el("dt", {}, word), el("dd", {}, value)])),
        tabs, body);
      this.fill(body, data, name);
      this.detail.scrollTop = top;
    }

    link(words, ...where) { return el("a", { href: `#/${[this.id, ...where].map(encodeURIComponent).join("/")}` }, words); }

    /* Components to go to; those that one needs also with what it uses of them. */
    links(names, user = null) { return names.flatMap((name, i) => [i ? ", " : "", this.link(name, "component", name), ...(user ? [" (", this.link("how", "edge", name, user), ")"] : [])]); }

    fill(body, data, name) {
      const kinds = {
        contract: () => {
          const c = data.component, contract = c.contract || {};
          return [el("p", {}, c.purpose), el("h3", {}, "Behaviour"), prose(contract.behaviour || ""), ...Object.entries(contract.interface || {}).flatMap(([path, text]) => [el("h3", { class: "mono" }, path), code(text, path)]),
            ...(contract.examples || []).length ? [el("h3", {}, "Examples"), ...contract.examples.map(text => prose(typeof text === "string" ? text : JSON.stringify(text, null, 1)))] : [],
            el("p", { class: "small soft" }, `Requirements: ${(c.requirements || []).join(", ") || "none"} · files: ${(c.files || []).join(", ")}`)];
        },
        tests: () => [data.state.tests.length ? el("table", {}, el("thead", {}, el("tr", {}, ...["Test", "Outcome", "Trust", "For"].map(word => el("th", { scope: "col" }, word)))),
          el("tbody", {}, ...data.state.tests.map(test => el("tr", {}, el("td", { class: "mono small" }, test.id.replace(/^.*::/, "")), el("td", { class: test.outcome === "passed" ? "s-passed" : "s-failed" }, `${test.outcome === "passed" ? "✓" : "✗"} ${test.outcome}`), el("td", { class: "small" }, test.provenance || "–"), el("td", { class: "small" }, (test.requirements || []).join(", ")))))) : el("p", { class: "soft" }, "No tests are frozen yet."),
          ...Object.entries(data.state.quarantined || {}).map(([id, why]) => el("p", { class: "small" }, `set aside: ${id}: ${why}`)),
          ...data.mutants.length ? [el("h3", {}, "Changes of the code that tests were tried on"), el("table", {}, el("tbody", {}, ...data.mutants.map(m => el("tr", {}, el("td", { class: "mono small" }, `${m.path}:${m.line}`), el("td", { class: "mono small" }, m.change), el("td", { class: "small" }, m.killed_by && m.killed_by.length ? "noticed" : m.excuse ? `left: ${m.excuse}` : "not noticed")))))] : []],
        files: () => this.fileTabs(data),
        calls: () => data.calls.length ? [el("table", {}, el("thead", {}, el("tr", {}, ...["Step", "Tokens", "Cost", "Time", "Answer"].map(word => el("th", { scope: "col" }, word)))), el("tbody", {}, ...data.calls.map(c => el("tr", {},
          el("td", {}, el("a", { href: `#/${[this.id, "call", c.key].map(encodeURIComponent).join("/")}` }, `${c.step} ${c.attempt}`)),
          el("td", { class: "small" }, `${(c.usage.prompt_tokens || 0).toLocaleString()} + ${(c.usage.completion_tokens || 0).toLocaleString()}`), el("td", { class: "small" }, money(c.usage.usd)), el("td", { class: "small" }, duration(c.seconds)),
          el("td", { class: "small" }, c.state !== "done" ? c.state : c.reading && c.reading.problems.length ? `of no use: ${c.reading.problems[0]}` : "of use")))))] : [el("p", { class: "soft" }, "No call was made for it.")],
        story: () => [el("table", {}, el("tbody", {}, ...data.story.map(one => el("tr", {}, el("td", { class: "small soft" }, duration(one.at)), el("td", { class: "small" }, one.words)))))],
      };
      replace(body, (kinds[this.tab] || kinds.contract)());
    }

    fileTabs(data) {
      const made = [...data.attempts], final = data.files;
      if (!made.length && !Object.keys(final).length) return [el("p", { class: "soft" }, "No code is written yet.")];
      const box = el("div");
      const choices = [...Object.keys(final).length ? [["Delivered", final, null]] : [], ...made.map((one, i) => [`${one.step} ${one.attempt}`, one.files, i ? made[i - 1].files : null])];
      this.file = Math.min(this.file, choices.length - 1);
      const show = ([, files, before]) => replace(box, ...Object.entries(files).flatMap(([path, text]) => {
        const old = before && before[path];
        if (before && old === text) return [el("h3", { class: "mono" }, path), el("p", { class: "small soft" }, "as before")];
        return [el("h3", { class: "mono" }, path), before && old !== undefined ? difference(old, text) : code(text, path)];
      }));
      const row = el("div", { class: "tabs" }, ...choices.map((choice, i) => el("button", { "aria-pressed": String(i === this.file), onclick: event => { this.file = i; for (const b of row.children) b.setAttribute("aria-pressed", "false"); event.currentTarget.setAttribute("aria-pressed", "true"); show(choice); } }, choice[0])));
      show(choices[this.file]);
      return [row, el("p", { class: "small soft" }, "Repairs show what they changed."), box];
    }

    showEdge(data) {
      this.panel(`${data.from} → ${data.to}`, el("p", { class: "small" }, this.link(data.from, "component", data.from), " is needed by ", this.link(data.to, "component", data.to)), el("p", {}, data.purpose),
        el("p", {}, data.used === null ? "Not built yet: what it uses is not known." : data.used ? `The code of ${data.to} uses it.` : `The code of ${data.to} is not seen to use it.`),
        ...data.imports.map(one => el("p", { class: "mono small" }, `${one.path}:${one.line}  ${one.text}`)),
        el("h3", {}, "The contract it stands for"), prose((data.contract || {}).behaviour || ""), ...Object.entries((data.contract || {}).interface || {}).flatMap(([path, text]) => [el("h3", { class: "mono" }, path), code(text, path)]));
    }

    showCall(one) {
      const messages = (one.request || {}).messages || [], answer = one.response || {};
      this.panel(`${one.component ? `${one.component}: ` : ""}${one.step} ${one.attempt}`,
        this.known.has(one.component) ? el("p", { class: "small" }, "of ", this.link(one.component, "component", one.component)) : null,
        el("dl", {}, ...[["Model", answer.model || one.model], ["Tokens", `${one.usage.prompt_tokens || 0} + ${one.usage.completion_tokens || 0}`], ["Cost", money(one.usage.usd)], ["Time", duration(one.seconds)], ["Held to", one.form ? `${one.form.kind} ${one.form.digest.slice(0, 8)}` : "words alone"]].flatMap(([word, value]) => [el("dt", {}, word), el("dd", {}, value)])),
        ...(one.reading ? one.reading.problems : []).map(problem => el("p", { class: "error" }, problem)),
        ...messages.map(message => el("details", { open: message.role === "user" && messages.length <= 2 }, el("summary", {}, message.role), prose(String(message.content)))),
        el("h3", {}, "Answer"), prose(String(answer.text || answer.error || "no answer")));
    }

    async showStory() {
      this.selected = { kind: "story", id: "story" };
      const { story } = await get(`api/runs/${encodeURIComponent(this.id)}/story`);
      this.panel("The story of the run", el("table", {}, el("tbody", {}, ...story.slice(-1500).map(one => el("tr", {}, el("td", { class: "small soft" }, duration(one.at)), el("td", { class: "small" }, one.component ? el("strong", {}, `${one.component} `) : null, one.words))))));
    }
  }

  // -- where we are

  async function route() {
    const [run, kind, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    const id = DATA ? DATA.snapshot.run.id : run;
    try {
      if (!id) { shown?.leave(); shown = null; await showRuns(); return; }
      if (!shown || shown.id !== id) {
        const data = await get(`api/runs/${encodeURIComponent(id)}`);
        shown?.leave();
        shown = new Run(id, data);
      }
      if (!kind) { if (["component", "edge", "call"].includes(shown.selected?.kind)) shown.close(); return; }
      if (kind === "edge") await shown.open({ kind, id: rest.join("/"), source: rest[0], target: rest[1] });
      else await shown.open({ kind, id: rest.join("/") });
    } catch (error) {
      shown?.leave(); shown = null;
      replace(app, el("header", {}, el("a", { href: "#/" }, "All runs")), el("main", { class: "page" }, el("p", { class: "error" }, error.message)));
    }
  }
  addEventListener("hashchange", route);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown?.draw());
  document.readyState === "loading" ? addEventListener("DOMContentLoaded", route) : route();
})();
