"use strict";
// What is known of the flow and of its run. Everything shown is made from this, and new data only changes this.

const MARKS = { succeeded: "✓", failed: "✗", cancelled: "■", running: "▶" };
const SIDE_BY_SIDE = new Set(["gather", "race", "choice"]);

const STEPS = new Set(["step", "dynamic", "block"]); // what gives events when it runs

const model = {
  boxes: new Map(), // by id: what the page was told, and children, depth, tally, and whether it tells that it runs
  roots: [],
  rows: [], // by number
  at: new Map(), // by path: the numbers of the rows
  run: null,
  critical: new Set(),
  criticalBoxes: new Set(),
  told: performance.now(),
};

function newTally() {
  return { running: 0, succeeded: 0, failed: 0, cancelled: 0, from: Infinity, to: 0 };
}

function addBox(box) {
  if (model.boxes.has(box.id)) return;
  const parent = model.boxes.get(box.parent);
  const made = { ...box, children: [], depth: parent ? parent.depth + 1 : 1, tally: newTally() };
  model.boxes.set(box.id, made);
  if (STEPS.has(box.kind)) for (let at = made; at && !at.tells; at = model.boxes.get(at.parent)) at.tells = true;
  if (!parent) {
    model.roots.push(made);
    return;
  }
  // What stood for any element or turn goes when the first of them is there.
  if (!box.pattern && parent.children.some((child) => child.pattern)) parent.children = parent.children.filter((child) => !child.pattern);
  const before = parent.children[parent.children.length - 1];
  parent.children.push(made);
  // Elements may start in another order than theirs.
  if (before && indexOf(before) > indexOf(made)) parent.children.sort((one, other) => indexOf(one) - indexOf(other));
}

function indexOf(box) {
  const found = /^\[(\d+)\]$/.exec(box.slot || "");
  return found ? Number(found[1]) : -1;
}

function boxAt(path) {
  for (let id = path; id; id = id.slice(0, Math.max(id.lastIndexOf("/"), 0))) {
    const box = model.boxes.get(id);
    if (box) return box;
  }
  return null;
}

function count(row, sign) {
  for (let box = boxAt(row.path); box; box = model.boxes.get(box.parent)) {
    box.tally[row.status] += sign;
    box.tally.from = Math.min(box.tally.from, row.start);
    box.tally.to = Math.max(box.tally.to, row.end || 0);
  }
}

function addRow(row) {
  const old = model.rows[row.n];
  if (old) {
    count(old, -1);
  } else {
    const box = boxAt(row.path);
    const key = box ? box.id : row.path;
    if (!model.at.has(key)) model.at.set(key, []);
    model.at.get(key).push(row.n);
  }
  model.rows[row.n] = row;
  count(row, 1);
}

function takeIn(news) {
  news.boxes.forEach(addBox);
  news.rows.forEach(addRow);
  if (!news.run) return;
  model.run = news.run;
  model.told = performance.now();
  model.critical = new Set(news.run.critical);
  model.criticalBoxes = new Set();
  for (const number of news.run.critical) {
    for (let box = boxAt(model.rows[number].path); box && !model.criticalBoxes.has(box.id); box = model.boxes.get(box.parent)) model.criticalBoxes.add(box.id);
  }
}

/** Seconds of the run: while it goes on they pass here too. */
function now() {
  if (!model.run) return 0;
  return model.run.over || !model.live ? model.run.seconds : model.run.seconds + (performance.now() - model.told) / 1000;
}

function rowsOf(box) {
  return (model.at.get(box.id) || []).map((number) => model.rows[number]);
}

/** How a box ended: that of its last attempt; of a region, whether something in it runs, or failed the run. */
function statusOf(box) {
  const own = rowsOf(box);
  const tally = box.tally;
  if (tally.running) return "running";
  if (own.length) return own[own.length - 1].status;
  if (model.run && model.run.failedAt !== undefined && model.run.failedAt !== null) {
    for (let at = boxAt(model.rows[model.run.failedAt].path); at; at = model.boxes.get(at.parent)) if (at === box) return "failed";
  }
  if (tally.succeeded) return "succeeded";
  return tally.failed ? "failed" : tally.cancelled ? "cancelled" : "";
}

function secondsOf(row) {
  return (row.end === null ? now() : row.end) - row.start;
}

/** From the first start to the last end in a box. */
function secondsIn(box) {
  return box.tally.from === Infinity ? 0 : (box.tally.running ? now() : box.tally.to) - box.tally.from;
}

function duration(seconds) {
  if (seconds < 5e-7) return "0 s";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${+(seconds * 1e3).toPrecision(3)} ms`;
  if (seconds < 60) return `${+seconds.toPrecision(3)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${Math.floor(seconds % 60)}`.padStart(2, "0");
  return minutes < 60 ? `${minutes}:${rest} min` : `${Math.floor(minutes / 60)}:${`${minutes % 60}`.padStart(2, "0")}:${rest} h`;
}

/** Makes an element; text is always text, never markup. */
function make(tag, attributes = {}, ...inner) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...inner.filter((part) => part !== null && part !== undefined && part !== ""));
  return made;
}

const byId = (id) => document.getElementById(id);
