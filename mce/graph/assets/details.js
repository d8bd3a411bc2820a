// The panel at the side: all that is known of one node, or of one attempt of a step.

const FOLDED = 600; // longer texts are folded
const LISTED = 20; // attempts and merges shown of one node

const details = { from: null, again: null }; // where the focus was; how to show once more what was not over yet

function shownText(text, isBad) {
  const [said, length] = text;
  const whole = make("pre", { class: isBad ? "bad" : null, tabindex: "0" }, length ? `${said}…` : said);
  if (said.length <= FOLDED && said.split("\n").length <= 14) return whole;
  const start = said.slice(0, 90).replace(/\s+/g, " ");
  const size = length ? `${length} characters, of which the first ${said.length} are here` : `${said.length} characters`;
  return make("details", {}, make("summary", {}, `${start}… (${size})`), whole);
}

function part(title, ...inner) {
  return [make("h3", {}, title), ...inner];
}

function pairs(entries) {
  const list = make("dl");
  for (const [name, said] of entries) if (said) list.append(make("dt", {}, name), make("dd", {}, said));
  return list;
}

function rowLink(number, text) {
  const link = make("button", { class: "link", type: "button" }, text);
  link.addEventListener("click", () => showRow(number));
  return link;
}

function drawChange(change) {
  const grew = change.grew === undefined ? "" : ` has ${change.grew} elements as before, and`;
  const parts = [make("div", {}, make("b", {}, change.name), grew)];
  if (change.before) parts.push(make("div", { class: "was" }, "was"), shownText(change.before), make("div", { class: "was" }, "is now"));
  return [...parts, shownText(change.after)];
}

function drawError(error) {
  const name = error.defect ? `${error.type}, which nobody declared` : error.type;
  const inner = [make("div", {}, make("b", {}, name)), shownText(error.message, true)];
  for (const more of ["value", "errors", "traceback"]) if (error[more]) inner.push(make("div", { class: "was" }, more), shownText(error[more]));
  return part("Error", ...inner);
}

function drawAttempt(row) {
  const before = row.waited === undefined ? null : model.rows[row.waited];
  const waited = before && before.end !== null ? row.start - before.end : 0;
  const about = pairs([
    ["Status", `${MARKS[row.status]} ${row.status}`],
    ["Attempt", String(row.attempt)],
    ["Took", duration(secondsOf(row))],
    ["Started", `after ${duration(row.start)}`],
    ["Waited", waited > 0 ? `${duration(waited)}${row.delay ? `, of which ${duration(row.delay)} before the retry` : ""}` : ""],
    ["Worker", row.worker],
    ["Critical", model.critical.has(row.n) ? "◆ on the critical path" : ""],
  ]);
  const inner = [about];
  if (before) inner.push(...part("Came after", rowLink(before.n, before.path + (before.attempt > 1 ? ` (${before.attempt})` : ""))));
  inner.push(...part("Input", shownText(row.input)));
  if (row.error && row.status !== "cancelled") inner.push(...drawError(row.error));
  if (row.value) inner.push(...part("Output", shownText(row.value)));
  if (row.changes) inner.push(...part("State", ...row.changes.flatMap(drawChange)));
  if (row.emitted) inner.push(...part("Emitted", ...row.emitted.map((text) => shownText(text))));
  return inner;
}

function drawNode(box) {
  const kind = WORDS[box.kind] || box.kind;
  const tally = Object.entries(box.tally).filter(([name, n]) => name in MARKS && n).map(([name, n]) => `${MARKS[name]} ${n} ${name}`).join(", ");
  const waits = (box.after || []).map(taskOf).join(", ");
  const meta = Object.entries(box.meta || {}).map(([name, said]) => `${name}: ${said}`).join(", ");
  const about = [["Path", box.id], ["Kind", kind], ["Defined in", box.where], ["Takes", box.takes], ["Gives", box.gives], ["Is given", box.given], ["Value", box.value], ["Catches", box.on], ["Waits for", waits], ["Declared", (box.badges || []).join(", ")], ["Noted", meta]];
  if (box.children.length) about.push(["Steps in it", tally]);
  return [box.doc ? make("p", {}, box.doc) : null, pairs(about)];
}

function drawMerges(box) {
  const merges = ((model.run && model.run.merges) || []).filter((merge) => merge.path === box.id).slice(0, LISTED);
  return merges.flatMap((merge) => part(`State after ${duration(merge.time)}`, ...merge.changes.flatMap(drawChange)));
}

function drawRun() {
  const run = model.run;
  if (!run || !run.over) return [];
  const inner = run.ok ? part("The run gave", shownText(run.value)) : drawError(run.error);
  if (run.where && run.where.notes) inner.push(...run.where.notes.map((note) => make("p", {}, `Note: ${note}`)));
  return run.state ? [...inner, ...part("State at the end", shownText(run.state))] : inner;
}

function openPanel(title, inner, keepFocus) {
  const panel = byId("panel");
  if (panel.hidden || !panel.contains(document.activeElement)) details.from = document.activeElement;
  const close = make("button", { type: "button", id: "close", "aria-label": "Close the details" }, "✕");
  close.addEventListener("click", closePanel);
  const heading = make("h2", { tabindex: "-1" }, title);
  panel.replaceChildren(make("div", { class: "top" }, heading, close), ...inner.filter(Boolean));
  panel.hidden = false;
  if (!keepFocus) panel.scrollTop = 0;
  if (!keepFocus) heading.focus();
}

function closePanel() {
  byId("panel").hidden = true;
  details.again = null;
  choose(null);
  const back = details.from && details.from.isConnected ? details.from : find(graph.focus) || byId("rows");
  back.focus();
}

function showRun() {
  choose(null);
  openPanel("The run", drawRun());
}

function showBox(id, { keepFocus = false, more = [] } = {}) {
  const box = model.boxes.get(id);
  if (!box) return;
  choose(id);
  const rows = rowsOf(box);
  details.again = box.tally.running ? () => showBox(id, { keepFocus: true }) : null;
  const inner = drawNode(box);
  if (rows.length > LISTED) inner.push(make("p", { class: "was" }, `The last ${LISTED} of ${rows.length} attempts:`));
  for (const row of rows.slice(-LISTED).reverse()) inner.push(make("div", { class: "attempt" }, ...drawAttempt(row)));
  inner.push(...drawMerges(box), ...more);
  openPanel(box.kind === "sequence" ? `${turnOf(box) || box.label} of ${(model.boxes.get(box.parent) || { label: "" }).label}` : box.label, inner, keepFocus);
}

function showRow(number, { keepFocus = false } = {}) {
  const row = model.rows[number];
  const box = boxAt(row.path);
  details.again = row.end === null ? () => showRow(number, { keepFocus: true }) : null;
  choose(box ? box.id : null);
  const inner = box ? drawNode(box) : [pairs([["Path", row.path]])];
  openPanel(row.step, [...inner, make("div", { class: "attempt" }, ...drawAttempt(row))], keepFocus);
}
