// The graph: boxes in boxes, a tree for the keyboard. Only what is unfolded is in the document, and of very many
// siblings only some, so that it stays quick at any size.

const AT_FIRST = 160; // boxes shown before regions are folded
const SIBLINGS = 60; // of one region at once
const MANY = 12;
const LEVELS = 40; // shown around a box that is very deep
const DEEPEST = 24; // deeper ones are folded at first: browsers give up on very deep documents

const WORDS = { gather: "all of", each: "for each", race: "first of", choice: "one of", loop: "repeat", recover: "try", retry: "retry", timeout: "timeout", budget: "budget", bracket: "with", guard: "guard", focus: "focus", transact: "all or nothing", dag: "tasks", block: "code, known when it runs", dynamic: "known when it runs", suspend: "waits for an answer", fail: "fails", value: "value", state: "state", function: "function" };
const ENTERS = { handler: "on failure", acquire: "acquire", use: "use", release: "release" };

// What a region is called that nobody named.
const PLAIN = { gather: "gather", each: "each", race: "race", choice: "branch", loop: "iterate", recover: "recover", retry: "retry", timeout: "timeout", budget: "budget", bracket: "bracket", focus: "focus", transact: "transact", dag: "dag", suspend: "suspend", fail: "fail" };

const graph = { open: new Set(), from: new Map(), focus: null, chosen: null, top: null, touched: false };

function unfoldSome(most) {
  if (graph.touched) return; // from then on only the reader folds and unfolds
  let shown = model.roots.length;
  let tier = model.roots;
  while (tier.length) {
    const next = [];
    for (const box of tier) {
      const inside = Math.min(box.children.length, SIBLINGS);
      if (!inside || box.depth > DEEPEST || (shown + inside > most && shown > 1)) continue;
      shown += inside;
      graph.open.add(box.id);
      next.push(...box.children.slice(0, SIBLINGS));
    }
    tier = next;
  }
}

/** The box around another so many levels up. */
function above(box, levels) {
  let found = box;
  for (let up = 0; up < levels && found.parent; up += 1) found = model.boxes.get(found.parent);
  return found;
}

/** Unfolds what a box is in, so that it is shown; of what is very deep only the levels near it. */
function reveal(box) {
  graph.top = box.depth > 2 * LEVELS ? above(box, LEVELS).id : null;
  for (let inner = box, at = model.boxes.get(box.parent); at; inner = at, at = model.boxes.get(at.parent)) {
    graph.open.add(at.id);
    const place = at.children.indexOf(inner);
    const from = graph.from.get(at.id) || 0;
    if (at.depth < box.depth - LEVELS) return;
    if (place < from || place >= from + SIBLINGS) graph.from.set(at.id, Math.max(0, place - SIBLINGS / 2));
  }
  const place = model.roots.indexOf(box);
  if (place >= 0 && (place < (graph.from.get("") || 0) || place >= (graph.from.get("") || 0) + SIBLINGS)) graph.from.set("", Math.max(0, place - SIBLINGS / 2));
}

function drawGraph() {
  const tree = byId("graph");
  const hadFocus = tree.contains(document.activeElement);
  const top = graph.top === null ? null : model.boxes.get(graph.top);
  const inner = drawKids({ id: "", kind: "label", children: top ? [top] : model.roots });
  tree.replaceChildren(...(top && top.parent ? [upButton(top)] : []), ...inner);
  const focus = find(graph.focus) || tree.querySelector("[role=treeitem]");
  if (!focus) return;
  focus.tabIndex = 0;
  if (hadFocus) focus.focus({ preventScroll: true });
}

function find(id) {
  return id === null ? null : byId("graph").querySelector(`[data-id="${CSS.escape(id)}"]`);
}

function drawKids(region) {
  const from = graph.from.get(region.id) || 0;
  const shown = region.children.slice(from, from + SIBLINGS);
  const boxes = region.kind === "dag" ? drawTiers(shown) : shown.map((box) => drawBox(box, region));
  const kind = region.kind === "dag" ? "level" : isWide(region) ? "wide" : isLong(region) ? "flow" : "line";
  const parts = [make("div", { class: `kids ${kind}`, role: "group" }, ...boxes)];
  const after = region.children.length - from - shown.length;
  if (from) parts.unshift(moreButton(region, Math.max(0, from - SIBLINGS), `▴ ${from} before`));
  if (after) parts.push(moreButton(region, from + SIBLINGS, `▾ ${after} more`));
  return parts;
}

/** Whether so many leaves follow each other that they are better read like words, in lines. */
function isLong(region) {
  return region.children.length > MANY && region.children.every((child) => !child.children.length);
}

function isWide(region) {
  if (SIDE_BY_SIDE.has(region.kind)) return true;
  return region.children.length > 1 && region.children.every((child) => (child.slot || "").startsWith("["));
}

/** Tasks in tiers: each under the last of those that it waits for. */
function drawTiers(tasks) {
  const tier = new Map();
  const tiers = [];
  const known = new Map(tasks.map((task) => [task.id, task]));
  let left = tasks;
  while (left.length) {
    const ready = left.filter((task) => (task.after || []).every((id) => tier.has(id) || !known.has(id)));
    const placed = ready.length ? ready : left;
    for (const task of placed) tier.set(task.id, tiers.length);
    tiers.push(make("div", { class: "tier", role: "none" }, ...placed.map((task) => drawBox(task, { kind: "dag" }))));
    left = left.filter((task) => !tier.has(task.id));
  }
  return tiers;
}

function upButton(top) {
  const button = make("button", { class: "more", type: "button" }, `▴ ${top.depth - 1} levels around`);
  button.addEventListener("click", () => {
    const next = above(top, LEVELS);
    graph.top = next.parent ? next.id : null;
    drawGraph();
  });
  return button;
}

function moreButton(region, from, text) {
  const button = make("button", { class: "more", type: "button" }, text);
  button.addEventListener("click", () => {
    graph.from.set(region.id, from);
    drawGraph();
  });
  return button;
}

function drawBox(box, region, ahead = "") {
  if (box.kind === "sequence" && box.children.length === 1 && !box.children[0].children.length) return drawBox(box.children[0], region, turnOf(box));
  const status = statusOf(box);
  const isRegion = box.children.length > 0;
  const isOpen = isRegion && graph.open.has(box.id);
  const classes = ["box", isRegion ? "region" : "leaf", status || (isIdle(box) ? "idle" : "")];
  if (box.kind === "dynamic" || box.kind === "block") classes.push("opaque");
  if (model.criticalBoxes.has(box.id)) classes.push("critical");
  if (graph.chosen === box.id) classes.push("chosen");
  if (box.depth % 2) classes.push("even");
  if (box.slot === "handler") classes.push("onfail");
  const item = make("div", { class: classes.filter(Boolean).join(" "), role: "treeitem", tabindex: "-1", "data-id": box.id, "aria-level": box.depth, "aria-expanded": isRegion ? String(isOpen) : null, "aria-selected": String(graph.chosen === box.id), "aria-label": spoken(box, status) });
  item.append(drawHead(box, ahead || slotOf(box, region), status, isRegion, isOpen));
  if (isOpen) item.append(...drawKids(box));
  return item;
}

function drawHead(box, slot, status, isRegion, isOpen) {
  const head = make("div", { class: "head" });
  if (isRegion) head.append(make("span", { class: "twist", "aria-hidden": "true" }, isOpen ? "▾" : "▸"));
  if (status) head.append(make("span", { class: `mark ${status}`, title: status }, MARKS[status]));
  if (slot) head.append(make("span", { class: "slot" }, slot));
  const words = WORDS[box.kind] || "";
  const label = box.kind === "sequence" ? turnOf(box) : box.label;
  const isNamed = !words || PLAIN[box.kind] !== label.replace(/:\d+$/, "");
  head.append(make("span", { class: "label" }, (isNamed ? label : words) || "·"));
  if (words && isNamed) head.append(make("span", { class: "kind" }, words));
  if (box.on && box.kind === "recover") head.append(make("span", { class: "badge" }, box.on));
  for (const badge of box.badges || []) head.append(make("span", { class: "badge", title: badge }, badge));
  for (const text of figures(box)) head.append(make("span", { class: "badge retried" }, text));
  if (box.after) head.append(make("span", { class: "kind" }, `after ${box.after.slice(0, 3).map(taskOf).join(", ")}${box.after.length > 3 ? ` and ${box.after.length - 3} more` : ""}`));
  if (isRegion && !isOpen) head.append(make("span", { class: "kind" }, `${inside(box)} inside`));
  if (model.criticalBoxes.has(box.id)) head.append(make("span", { class: "kind", title: "on the critical path" }, "◆"));
  if (status) head.append(make("span", { class: "time" }, duration(secondsIn(box))));
  return head;
}

/** Whether a box would have told that it ran, and did not. */
function isIdle(box) {
  return Boolean(model.run && model.run.over && box.tells && !statusOf(box));
}

function turnOf(box) {
  const mark = box.label || "";
  const region = model.boxes.get(box.parent);
  if (/^#\d+$/.test(mark)) return `${region && region.kind === "loop" ? "turn" : "part"} ${mark.slice(1)}`;
  if (/^\d+$/.test(mark)) return `[${mark}]`;
  if (region && region.kind === "choice") return `if ${mark.replace(/^\[|\]$/g, "")}`;
  return ENTERS[mark] || mark;
}

function slotOf(box, region) {
  if (box.kind === "sequence") return "";
  if (region.kind === "choice") return box.slot === "default" ? "otherwise" : `if ${box.slot}`;
  if (region.kind === "dag") return box.slot === box.label ? "" : box.slot;
  return region.kind === "bracket" ? ENTERS[box.slot] || "" : "";
}

function taskOf(id) {
  const box = model.boxes.get(id);
  return box ? box.slot || box.label : id;
}

function figures(box) {
  const attempts = rowsOf(box).length;
  return attempts > 1 ? [`${attempts} attempts`] : [];
}

function inside(box) {
  let found = 0;
  const stack = [...box.children];
  while (stack.length && found < 100000) {
    const next = stack.pop();
    found += 1;
    for (const child of next.children) stack.push(child);
  }
  return found;
}

function spoken(box, status) {
  const words = [box.label, WORDS[box.kind] || box.kind, status || (isIdle(box) ? "did not run" : "")];
  if (status) words.push(duration(secondsIn(box)));
  return [...words, ...figures(box), ...(box.badges || [])].filter(Boolean).join(", ");
}

function focusItem(item) {
  if (!item) return;
  for (const other of byId("graph").querySelectorAll("[tabindex='0'][role=treeitem]")) other.tabIndex = -1;
  item.tabIndex = 0;
  graph.focus = item.dataset.id;
  item.focus({ preventScroll: true });
  item.querySelector(".head").scrollIntoView({ block: "nearest", inline: "nearest" });
}

function setOpen(id, isOpen) {
  graph.touched = true;
  if (isOpen) graph.open.add(id);
  else graph.open.delete(id);
  graph.focus = id;
  drawGraph();
  focusItem(find(id));
}

function choose(id) {
  graph.chosen = id;
  for (const item of byId("graph").querySelectorAll(".box")) {
    item.classList.toggle("chosen", item.dataset.id === id);
    item.setAttribute("aria-selected", String(item.dataset.id === id));
  }
}

const GRAPH_KEYS = {
  ArrowDown: (item, all) => focusItem(all[all.indexOf(item) + 1]),
  ArrowUp: (item, all) => focusItem(all[all.indexOf(item) - 1]),
  Home: (item, all) => focusItem(all[0]),
  End: (item, all) => focusItem(all[all.length - 1]),
  ArrowRight(item) {
    if (item.getAttribute("aria-expanded") === "false") setOpen(item.dataset.id, true);
    else focusItem(item.querySelector("[role=treeitem]"));
  },
  ArrowLeft(item) {
    if (item.getAttribute("aria-expanded") === "true") setOpen(item.dataset.id, false);
    else focusItem(item.parentElement.closest("[role=treeitem]"));
  },
  Enter: (item) => showBox(item.dataset.id),
  " ": (item) => showBox(item.dataset.id),
};

function startGraph() {
  const tree = byId("graph");
  tree.addEventListener("click", (event) => {
    const head = event.target.closest(".head");
    if (!head) return;
    const item = head.parentElement;
    if (event.target.closest(".twist")) setOpen(item.dataset.id, item.getAttribute("aria-expanded") !== "true");
    else {
      focusItem(item);
      showBox(item.dataset.id, { keepFocus: true });
    }
  });
  tree.addEventListener("keydown", (event) => {
    const item = event.target.closest("[role=treeitem]");
    const act = GRAPH_KEYS[event.key];
    if (!item || item !== event.target || !act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(item, [...tree.querySelectorAll("[role=treeitem]")]);
  });
  byId("fold").addEventListener("click", () => {
    graph.touched = true;
    graph.open.clear();
    drawGraph();
  });
  byId("unfold").addEventListener("click", () => {
    graph.touched = true;
    for (const item of tree.querySelectorAll("[aria-expanded=false]")) if (graph.open.size < 2000) graph.open.add(item.dataset.id);
    drawGraph();
  });
}
