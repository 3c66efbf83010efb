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
  const MANY = 150; // components from which on the picture leaves details out
  const GROUPED = 400; // components from which on folders are shown first

  // -- small things

  function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : String(value));
    }
    made.append(...children.flat().filter(child => child !== null && child !== undefined && child !== ""));
    return made;
  }
  const replace = (place, ...children) => place.replaceChildren(...children.flat().filter(Boolean));
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

  async function act(run, what, body) {
    try {
      const answer = await fetch(`api/runs/${encodeURIComponent(run)}/${what}`, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      const said = await answer.json().catch(() => ({ error: `the server said ${answer.status}` }));
      say(answer.ok ? said.said : said.error, !answer.ok);
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
    const old = before.split("\n"), now = after.split("\n");
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

  // -- all runs

  async function showRuns() {
    const { runs } = await get("api/runs");
    const rows = runs.map(run => el("tr", {},
      el("td", {}, el("a", { href: `#/${encodeURIComponent(run.id)}` }, run.title || run.id), el("div", { class: "small soft mono" }, run.id)),
      el("td", { class: `status s-${run.status}` }, run.status),
      el("td", {}, run.total ? `${run.passed} of ${run.total}` : "–"),
      el("td", {}, money(run.usd)), el("td", {}, duration(run.seconds)), el("td", { class: "small" }, when(run.started))));
    document.title = "Runs – stepgraph";
    replace(app, el("header", {}, el("h1", { class: "grow" }, "Runs"), el("button", { onclick: () => route() }, "Look again")),
      el("div", { class: "page" }, rows.length ? el("table", {}, el("thead", {}, el("tr", {}, ...["Run", "Status", "Proven", "Cost", "Time", "Began"].map(name =>
        el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows)) : el("p", {}, "There is no run yet. Start one with: agent run spec.md")));
  }

  // -- one run

  let shown = null; // the run that is looked at

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
      if ("plan" in data) { this.plan = data.plan; this.components = {}; }
      if (data.history) this.history = data.history;
      Object.assign(this.components, data.components);
      if (this.plan) for (const name of Object.keys(this.components)) if (!this.plan.components.some(c => c.id === name)) delete this.components[name];
    }

    listen() {
      this.stream = new EventSource(`api/runs/${encodeURIComponent(this.id)}/stream?since=${this.version}`);
      this.stream.addEventListener("changes", event => {
        const data = JSON.parse(event.data);
        const recut = "plan" in data;
        const before = this.components;
        this.take(data);
        if (recut) { for (const c of (this.plan ? this.plan.components : [])) this.components[c.id] ??= before[c.id]; this.draw(); }
        else this.paint(Object.keys(data.components));
        this.head(); this.listed(); this.banner();
        if (this.selected && data.components[this.selected.id]) this.open(this.selected, true);
      });
      this.stream.onerror = () => this.lost(true);
      this.stream.onopen = () => this.lost(false);
    }

    lost(is) { this.gone = is; this.head(); }

    leave() { clearInterval(this.beat); clearInterval(this.pulse); this.stream?.close(); this.cy?.destroy(); }

    build() {
      this.header = el("header");
      this.banners = el("div");
      this.search = el("input", { type: "search", placeholder: "Find a component", "aria-label": "Find a component", oninput: () => this.find() });
      this.slider = el("input", { type: "range", min: 0, "aria-label": "Revision of the plan", oninput: () => this.revise(Number(this.slider.value)) });
      this.sliderText = el("span", { class: "small" });
      this.sliderBox = el("label", { class: "slider" }, this.slider, this.sliderText);
      this.folderButton = el("button", { "aria-pressed": "false", onclick: () => this.fold() }, "Folders");
      this.tools = el("div", { class: "tools" }, this.search,
        el("button", { onclick: () => this.cy.animate({ fit: { padding: 30 }, duration: calm ? 0 : 200 }) }, "All"),
        el("button", { onclick: () => this.zoomTo(["running", "ready"]) }, "What runs"),
        el("button", { onclick: () => this.zoomTo(["failed", "waiting", "blocked"]) }, "What fails"),
        this.folderButton, el("button", { onclick: () => this.showStory() }, "Story"), this.sliderBox);
      this.list = el("nav", { id: "list", "aria-label": "Components" });
      this.graph = el("div", { id: "graph", role: "img", "aria-label": "The plan as a graph; the same components are in the list beside it" });
      this.detail = el("aside", { id: "detail", hidden: true, "aria-label": "Details" });
      const legend = el("div", { id: "legend" }, ...["passed", "running", "ready", "waiting", "failed", "blocked", "pending"].map(status =>
        el("span", { class: `s-${status}` }, `${SIGNS[status]} ${WORDS[status]}`)), el("span", {}, "thick line: critical path"));
      replace(app, this.header, this.banners, this.tools, el("main", {}, this.list, el("div", { id: "picture" }, this.graph, legend), this.detail));
      this.head(); this.banner(); this.draw(); this.listed();
      if (!calm) this.pulse = setInterval(() => this.cy?.nodes(".running").toggleClass("beat"), 700);
    }

    tick() { if (this.run.live) this.head(); }

    head() {
      const run = this.run, total = this.plan ? this.plan.components.length : 0, live = run.live && !DATA;
      const seconds = run.live && !DATA ? Date.now() / 1000 - this.began : run.seconds;
      document.title = `${SIGNS[run.status] || ""} ${run.title || this.id} – stepgraph`;
      replace(this.header,
        DATA ? null : el("a", { href: "#/" }, "All runs"),
        el("h1", { class: "grow" }, run.title || this.id),
        el("span", { class: `status s-${run.status}` }, run.status + (run.phase ? `: ${run.phase}` : "")),
        el("span", {}, total ? `${run.counts.passed} of ${total} proven` : "no plan yet"),
        el("span", {}, `${money(run.usage.usd)} · ${duration(seconds)}`),
        this.gone ? el("span", { class: "error" }, "not connected; trying again") : null,
        DATA ? el("span", { class: "soft small" }, "a file: nothing in it can be changed") : null,
        live ? el("button", { onclick: () => act(this.id, "pause", {}) }, "Pause") : null,
        !DATA && !run.live && ["interrupted", "failed", "limit"].includes(run.status) ? el("button", { class: "primary", onclick: () => act(this.id, "resume", {}) }, "Resume") : null);
    }

    banner() {
      // What somebody is typing must not be thrown away because something else changed.
      const kept = JSON.stringify([this.run.questions, this.run.reason, this.run.status, this.run.notes, this.run.feedback]);
      if (kept === this.bannerShown) return;
      this.bannerShown = kept;
      const open = DATA ? [] : this.run.questions.filter(q => q.answer === null && (!q.component || (this.components[q.component] || {}).status !== "passed"));
      const boxes = open.map(question => {
        const text = el("textarea", { "aria-label": `Answer to ${question.id}`, required: true });
        return el("div", { class: "banner" }, el("strong", {}, `${question.id} `), question.component ? el("em", {}, `${question.component}: `) : null, question.text,
          el("form", { onsubmit: event => { event.preventDefault(); act(this.id, "answer", { question: question.id, text: text.value }); } },
            ...question.options.map(option => el("button", { type: "button", onclick: () => act(this.id, "answer", { question: question.id, text: option }) }, option)),
            text, el("button", { class: "primary" }, "Answer")));
      });
      if (!DATA && ["passed", "failed"].includes(this.run.status)) {
        const text = el("textarea", { "aria-label": "What is wrong with the result" , required: true });
        boxes.push(el("details", { class: "banner" }, el("summary", {}, "Is the result right? Say what is wrong"),
          el("form", { onsubmit: async event => { event.preventDefault(); if (await act(this.id, "feedback", { text: text.value })) text.value = ""; } },
            text, el("button", { class: "primary" }, "Say it"))));
      }
      if (this.run.reason) boxes.unshift(el("div", { class: "banner" }, this.run.reason));
      if (this.run.notes.length) boxes.push(el("details", { class: "banner" }, el("summary", {}, plural(this.run.notes.length, "note")), ...this.run.notes.map(note => el("p", { class: "small" }, note))));
      replace(this.banners, boxes);
    }

    // -- the list

    listed() {
      const wanted = this.search.value.trim().toLowerCase();
      const order = { failed: 0, waiting: 1, running: 2, ready: 3, blocked: 4, pending: 5, passed: 6 };
      const names = this.names().filter(name => name.toLowerCase().includes(wanted))
        .sort((a, b) => (order[(this.components[a] || {}).status] ?? 9) - (order[(this.components[b] || {}).status] ?? 9));
      const most = 300, focused = document.activeElement?.dataset?.component;
      const items = names.slice(0, most).map(name => {
        const known = this.components[name] || { status: "pending", words: "" };
        return el("li", {}, el("button", { "data-component": name, "aria-current": this.selected?.id === name ? "true" : "false", onclick: () => this.select({ kind: "component", id: name }) },
          el("span", { class: `s-${known.status}`, "aria-label": WORDS[known.status] }, `${SIGNS[known.status] || "·"} `), name, el("span", { class: "words" }, known.words)));
      });
      replace(this.list, el("ul", {}, ...items), names.length > most ? el("p", { class: "small soft" }, `and ${names.length - most} more; find them above`) : null);
      if (focused) [...this.list.querySelectorAll("button")].find(button => button.dataset.component === focused)?.focus();
    }

    names() { return (this.at === null ? this.plan ? this.plan.components : [] : this.history[this.at].components).map(c => c.id); }

    // -- the picture

    draw() {
      const past = this.at === null ? null : this.history[this.at];
      const plan = past || this.plan;
      const components = plan ? plan.components : [];
      this.folders ??= components.length > GROUPED;
      this.many = components.length > MANY;
      const folder = c => this.folders && !past && c.files && c.files[0] && c.files[0].includes("/") ? c.files[0].split("/").slice(0, c.files[0].split("/").length > 2 ? 2 : 1).join("/") : null;
      const home = new Map(components.map(c => [c.id, folder(c) && `folder ${folder(c)}` || c.id]));
      const nodes = new Map(), edges = new Map();
      for (const c of components) {
        const id = home.get(c.id);
        if (!nodes.has(id)) nodes.set(id, { group: "nodes", data: { id, members: [] }, position: null });
        nodes.get(id).data.members.push(c.id);
      }
      const place = c => c.at ? { x: c.at[0] + 115, y: c.at[1] + 37 } : null;
      const where = new Map(components.map(c => [c.id, place(c)]));
      for (const node of nodes.values()) {
        const spots = node.data.members.map(id => where.get(id)).filter(Boolean);
        if (spots.length) node.position = { x: spots.reduce((s, p) => s + p.x, 0) / spots.length, y: spots.reduce((s, p) => s + p.y, 0) / spots.length };
      }
      for (const c of components) for (const need of c.depends_on) {
        if (!home.has(need)) continue;
        const source = home.get(need), target = home.get(c.id), id = `${source} → ${target}`;
        if (source !== target && !edges.has(id)) edges.set(id, { group: "edges", data: { id, source, target }, classes: c.critical && components.find(o => o.id === need).critical ? "critical" : "" });
      }
      const placed = [...nodes.values()].every(node => node.position) && nodes.size === components.length;
      this.cy?.destroy();
      this.cy = cytoscape({
        container: this.graph, elements: [...nodes.values(), ...edges.values()], style: this.style(),
        layout: placed ? { name: "preset", padding: 30 } : { name: "breadthfirst", directed: true, padding: 30, spacingFactor: 1.1, avoidOverlap: true, animate: false },
        minZoom: 0.02, maxZoom: 2.5, autoungrabify: true, boxSelectionEnabled: false, textureOnViewport: this.many, hideEdgesOnViewport: components.length > 800, pixelRatio: this.many ? 1 : "auto",
      });
      this.cy.on("tap", "node", event => event.target.id().startsWith("folder ") ? this.unfold() : this.select({ kind: "component", id: event.target.id() }));
      this.cy.on("tap", "edge", event => { const { source, target } = event.target.data(); if (!source.startsWith("folder ") && !target.startsWith("folder ")) this.select({ kind: "edge", id: `${source}/${target}`, source, target }); });
      this.folderButton.setAttribute("aria-pressed", String(Boolean(this.folders)));
      const last = Math.max(0, this.history.length - 1);
      this.slider.max = last;
      if (this.at === null) this.slider.value = last;
      this.sliderBox.hidden = last === 0;
      this.tellRevision();
      this.paint(null);
      const zoom = this.cy.zoom();
      if (zoom > 1.2) { this.cy.zoom(1.2); this.cy.center(); }
    }

    style() {
      const big = this.many;
      const base = [
        { selector: "node", style: { shape: "round-rectangle", width: 230, height: 74, "background-color": color("pending-fill"), "border-width": 1.5, "border-color": color("pending"), label: "data(label)", color: color("ink"), "font-size": big ? 20 : 13, "font-family": "system-ui, sans-serif", "text-wrap": "wrap", "text-max-width": 214, "text-valign": "center", "text-halign": "center", "line-height": 1.3, "text-overflow-wrap": "anywhere", "min-zoomed-font-size": 5 } },
        { selector: "edge", style: { width: 1.5, "line-color": color("soft"), "target-arrow-color": color("soft"), "target-arrow-shape": big ? "none" : "triangle", "curve-style": big ? "haystack" : "bezier", opacity: 0.65 } },
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

    paint(names) {
      const wanted = names && new Set(names);
      const past = this.at === null ? null : this.history[this.at];
      const known = new Map((this.plan ? this.plan.components : []).map(c => [c.id, c]));
      this.cy?.batch(() => this.cy.nodes().forEach(node => {
        const { members } = node.data();
        if (wanted && !members.some(name => wanted.has(name))) return;
        if (past) {
          const name = members[0], kind = past.added.includes(name) ? "added" : past.stale.includes(name) ? "stale" : "";
          node.data("label", `${kind === "added" ? "+ " : kind === "stale" ? "↻ " : ""}${name}`);
          node.classes(kind);
          return;
        }
        const states = members.map(name => this.components[name]).filter(Boolean);
        const order = ["failed", "waiting", "running", "ready", "blocked", "pending", "passed"];
        const status = order.find(s => states.some(state => state.status === s)) || "pending";
        if (members.length > 1 || node.id().startsWith("folder ")) {
          node.data("label", `${SIGNS[status]} ${node.id().slice(7)}\n${states.filter(s => s.status === "passed").length} of ${members.length} proven`);
          node.classes(`folder ${status}`);
          return;
        }
        const state = states[0] || { status: "pending", words: "" }, level = state.strength;
        const more = [state.total !== null && state.total !== undefined ? `${state.passed}/${state.total} tests` : "", level && level.total ? `${level.killed}/${level.total} mutants` : ""].filter(Boolean).join(" · ");
        const short = text => text.length > 60 ? `${text.slice(0, 59)}…` : text;
        node.data("label", this.many ? `${SIGNS[status]} ${members[0]}` : [`${SIGNS[status]} ${members[0]}`, short(status === "passed" ? more || state.words : state.words), status === "passed" ? "" : more].filter(Boolean).join("\n"));
        node.classes([status, known.get(members[0])?.critical ? "critical" : ""].filter(Boolean).join(" "));
      }));
    }

    find() {
      const wanted = this.search.value.trim().toLowerCase();
      this.listed();
      const found = this.cy.nodes().filter(node => wanted && node.data("members").some(name => name.toLowerCase().includes(wanted)));
      this.cy.batch(() => { this.cy.nodes().removeClass("found faint"); if (wanted) { this.cy.nodes().addClass("faint"); found.removeClass("faint").addClass("found"); } });
      if (found.length) this.cy.animate({ fit: { eles: found, padding: 80 }, duration: calm ? 0 : 200 });
    }

    zoomTo(statuses) {
      const found = this.cy.nodes(statuses.map(status => `.${status}`).join(","));
      if (found.length) this.cy.animate({ fit: { eles: found, padding: 60 }, duration: calm ? 0 : 200 });
      else say(`no component is ${statuses.map(status => WORDS[status]).join(" or ")}`);
    }

    fold() { this.folders = !this.folders; this.draw(); }
    unfold() { this.folders = false; this.draw(); }

    revise(index) { this.at = index >= this.history.length - 1 ? null : index; this.draw(); this.listed(); this.showRevision(index); }

    tellRevision() {
      const index = this.at === null ? this.history.length - 1 : this.at, one = this.history[index];
      this.sliderText.textContent = one ? `plan ${one.revision}${this.at === null ? " (now)" : ""}: ${one.author}` : "";
    }

    showRevision(index) {
      const one = this.history[index];
      this.panel(`Plan ${one.revision}`, el("p", {}, one.why || "no reason is given"), el("p", { class: "soft small" }, `by ${one.author}, ${when(one.ts)}`),
        ...one.edits.map(edit => el("div", {}, el("h3", {}, edit.what), edit.reason ? el("p", {}, edit.reason) : null, ...edit.evidence.map(text => prose(text)))),
        ...[["New", one.added], ["Built again", one.stale], ["Gone", one.dropped]].filter(([, names]) => names.length).map(([word, names]) => el("p", {}, `${word}: ${names.join(", ")}`)));
    }

    // -- details

    select(what) { location.hash = `#/${[this.id, what.kind, ...what.id.split("/")].map(encodeURIComponent).join("/")}`; }

    panel(title, ...children) {
      this.detail.hidden = false;
      replace(this.detail, el("button", { class: "close", "aria-label": "Close", onclick: () => { this.detail.hidden = true; this.selected = null; location.hash = `#/${encodeURIComponent(this.id)}`; this.cy.resize(); } }, "✕"), el("h2", {}, title), ...children);
      this.cy?.resize();
    }

    async open(what, again = false) {
      this.selected = what;
      this.cy?.elements().unselect();
      this.cy?.getElementById(what.kind === "edge" ? `${what.source} → ${what.target}` : what.id).select();
      if (!again) this.tab = what.kind === "component" && this.tab || "contract";
      const address = `api/runs/${encodeURIComponent(this.id)}/${what.kind}s/${what.id.split("/").map(encodeURIComponent).join("/")}`;
      try {
        const data = await get(address);
        if (this.selected !== what) return;
        if (what.kind === "component") this.showComponent(what.id, data, again);
        else if (what.kind === "edge") this.showEdge(data);
        else this.showCall(data.call);
      } catch (error) {
        this.panel(what.id, el("p", { class: "error" }, error.message));
      }
      this.listed();
    }

    showComponent(name, data, again) {
      const top = again ? this.detail.scrollTop : 0;
      const state = data.state, TABS = { contract: "Contract", tests: `Tests (${state.tests.length})`, files: "Files", calls: `Calls (${data.calls.length})`, story: "Story" };
      const body = el("div", { role: "tabpanel" });
      const tabs = el("div", { class: "tabs", role: "tablist" }, ...Object.entries(TABS).map(([key, word]) =>
        el("button", { role: "tab", "aria-selected": String(this.tab === key), onclick: event => {
          this.tab = key; for (const tab of tabs.children) tab.setAttribute("aria-selected", "false"); event.currentTarget.setAttribute("aria-selected", "true"); this.fill(body, data, name); } }, word)));
      const trust = Object.entries(state.trusted).filter(([kind]) => kind).map(([kind, count]) => `${count} ${kind}`).join(", ");
      const level = state.strength;
      this.panel(`${SIGNS[state.status]} ${name}`,
        el("p", {}, el("span", { class: `status s-${state.status}` }, WORDS[state.status]), state.words && state.words !== WORDS[state.status] ? `: ${state.words}` : ""),
        state.reason ? el("p", {}, state.reason) : null,
        el("dl", {}, ...[["Cost", money(state.usage.usd)], ["Time", state.seconds ? duration(state.seconds) : null], ["Attempts", state.attempts || null],
          ["Proof level", level && level.total ? `${level.killed} of ${plural(level.total, "mutant")} noticed` : level && level.reason || null], ["Trust in tests", trust],
          ["Needs", this.links(data.needs)], ["Needed by", this.links(data.needed_by)]].filter(([, value]) => value && (!Array.isArray(value) || value.length)).flatMap(([word, value]) => [el("dt", {}, word), el("dd", {}, value)])),
        tabs, body);
      this.fill(body, data, name);
      this.detail.scrollTop = top;
    }

    links(names) { return names.flatMap((name, i) => [i ? ", " : "", el("a", { href: `#/${[this.id, "component", name].map(encodeURIComponent).join("/")}` }, name)]); }

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
      const show = ([, files, before]) => replace(box, ...Object.entries(files).flatMap(([path, text]) => {
        const old = before && before[path];
        if (before && old === text) return [el("h3", { class: "mono" }, path), el("p", { class: "small soft" }, "as before")];
        return [el("h3", { class: "mono" }, path), before && old !== undefined ? difference(old, text) : code(text, path)];
      }));
      const row = el("div", { class: "tabs" }, ...choices.map((choice, i) => el("button", { "aria-pressed": String(i === 0), onclick: event => { for (const b of row.children) b.setAttribute("aria-pressed", "false"); event.currentTarget.setAttribute("aria-pressed", "true"); show(choice); } }, choice[0])));
      show(choices[0]);
      return [row, el("p", { class: "small soft" }, "Repairs show what they changed."), box];
    }

    showEdge(data) {
      this.panel(`${data.from} → ${data.to}`, el("p", {}, data.purpose),
        el("p", {}, data.used === null ? "Not built yet: what it uses is not known." : data.used ? `The code of ${data.to} uses it.` : `The code of ${data.to} is not seen to use it.`),
        ...data.imports.map(one => el("p", { class: "mono small" }, `${one.path}:${one.line}  ${one.text}`)),
        el("h3", {}, "The contract it stands for"), prose((data.contract || {}).behaviour || ""), ...Object.entries((data.contract || {}).interface || {}).flatMap(([path, text]) => [el("h3", { class: "mono" }, path), code(text, path)]));
    }

    showCall(one) {
      const messages = (one.request || {}).messages || [], answer = one.response || {};
      this.panel(`${one.component ? `${one.component}: ` : ""}${one.step} ${one.attempt}`,
        el("dl", {}, ...[["Model", answer.model || one.model], ["Tokens", `${one.usage.prompt_tokens || 0} + ${one.usage.completion_tokens || 0}`], ["Cost", money(one.usage.usd)], ["Time", duration(one.seconds)], ["Held to", one.form ? `${one.form.kind} ${one.form.digest.slice(0, 8)}` : "words alone"]].flatMap(([word, value]) => [el("dt", {}, word), el("dd", {}, value)])),
        ...(one.reading ? one.reading.problems : []).map(problem => el("p", { class: "error" }, problem)),
        ...messages.map(message => el("details", { open: message.role === "user" && messages.length <= 2 }, el("summary", {}, message.role), prose(String(message.content)))),
        el("h3", {}, "Answer"), prose(String(answer.text || answer.error || "no answer")));
    }

    async showStory() {
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
      if (!kind) return;
      if (kind === "edge") await shown.open({ kind, id: rest.join("/"), source: rest[0], target: rest[1] });
      else await shown.open({ kind, id: rest.join("/") });
    } catch (error) {
      shown?.leave(); shown = null;
      replace(app, el("header", {}, el("a", { href: "#/" }, "All runs")), el("div", { class: "page" }, el("p", { class: "error" }, error.message)));
    }
  }
  addEventListener("hashchange", route);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown?.draw());
  document.readyState === "loading" ? addEventListener("DOMContentLoaded", route) : route();
})();
