// The timeline: a row an attempt of a step, in the order in which they started. Only the rows in sight are in the
// document, so that any number of them scrolls.

const HEIGHT = 26;
const SPARE = 12;

const timeline = { shown: [], active: -1, all: false };

function pickRows() {
  const which = byId("which").value;
  const text = byId("filter").value.toLowerCase();
  const wanted = { all: () => true, critical: (row) => model.critical.has(row.n), failed: (row) => row.status === "failed", running: (row) => row.status === "running" }[which];
  const active = timeline.shown[timeline.active];
  timeline.shown = model.rows.filter((row) => wanted(row) && (!text || row.path.toLowerCase().includes(text)));
  timeline.active = active ? timeline.shown.findIndex((row) => row.n === active.n) : -1;
  byId("shown").textContent = `${timeline.shown.length} of ${model.rows.length}`;
}

function drawTimeline() {
  const rows = byId("rows");
  byId("space").style.height = `${timeline.shown.length * HEIGHT}px`;
  const first = timeline.all ? 0 : Math.max(0, Math.floor(rows.scrollTop / HEIGHT) - SPARE);
  const last = timeline.all ? timeline.shown.length : Math.ceil((rows.scrollTop + rows.clientHeight) / HEIGHT) + SPARE;
  const seen = timeline.shown.slice(first, last).map((row, at) => drawRow(row, first + at));
  if (timeline.active >= 0 && (timeline.active < first || timeline.active >= last)) seen.push(drawRow(timeline.shown[timeline.active], timeline.active));
  byId("space").replaceChildren(...seen);
  if (timeline.active >= 0) rows.setAttribute("aria-activedescendant", `row-${timeline.shown[timeline.active].n}`);
  else rows.removeAttribute("aria-activedescendant");
}

function span() {
  return Math.max(now(), 1e-6);
}

function drawRow(row, at) {
  const isActive = at === timeline.active;
  const critical = model.critical.has(row.n);
  const attempt = row.attempt > 1 ? ` (${row.attempt})` : "";
  const said = [row.path, row.attempt > 1 ? `attempt ${row.attempt}` : "", row.status, duration(secondsOf(row)), `after ${duration(row.start)}`, critical ? "on the critical path" : ""];
  const drawn = make("div", { class: isActive ? "row active" : "row", role: "option", id: `row-${row.n}`, "aria-selected": String(isActive), "aria-posinset": at + 1, "aria-setsize": timeline.shown.length, "aria-label": said.filter(Boolean).join(", "), title: said.filter(Boolean).join("\n") });
  const mark = make("span", { class: `mark ${row.status}` }, MARKS[row.status]);
  const path = make("span", { class: "path" }, make("bdi", {}, row.path + attempt));
  const tail = make("span", { class: "tail" }, `${critical ? "◆ " : ""}${duration(secondsOf(row))}`);
  drawn.append(make("div", { class: "name" }, mark, path, tail), drawTrack(row, critical));
  drawn.style.top = `${at * HEIGHT}px`;
  drawn.dataset.at = at;
  return drawn;
}

function drawTrack(row, critical) {
  const track = make("div", { class: "track" });
  const before = row.waited === undefined ? null : model.rows[row.waited];
  const ready = before && before.end !== null ? before.end : 0;
  if (row.start - ready > span() / 500) track.append(place(make("i", { class: "wait" }), ready, row.start));
  track.append(place(make("i", { class: critical ? `bar ${row.status} critical` : `bar ${row.status}` }), row.start, row.end === null ? now() : row.end));
  return track;
}

function place(bar, from, to) {
  bar.style.left = `min(calc(100% - 4px), ${(100 * from) / span()}%)`;
  bar.style.width = `${(100 * Math.max(0, to - from)) / span()}%`;
  return bar;
}

function drawAxis() {
  byId("axis").replaceChildren(make("span", {}, "0 s"));
  if (!now()) return;
  const wanted = span() / Math.max(2, Math.floor(byId("axis").clientWidth / 110));
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = power * [1, 2, 5, 10].find((times) => times * power >= wanted);
  const ticks = [];
  for (let at = 0; at * step <= span() && at < 50; at += 1) {
    const tick = make("span", {}, duration(at * step));
    tick.style.left = `${(100 * at * step) / span()}%`;
    ticks.push(tick);
  }
  byId("axis").replaceChildren(...ticks);
}

function activate(at) {
  if (at < 0 || at >= timeline.shown.length) return;
  timeline.active = at;
  const rows = byId("rows");
  if (at * HEIGHT < rows.scrollTop) rows.scrollTop = at * HEIGHT;
  else if ((at + 1) * HEIGHT > rows.scrollTop + rows.clientHeight) rows.scrollTop = (at + 1) * HEIGHT - rows.clientHeight;
  drawTimeline();
}

const ROW_KEYS = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };

function startTimeline() {
  const rows = byId("rows");
  let waiting = false;
  rows.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      drawTimeline();
    });
  });
  rows.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    activate(Number(row.dataset.at));
    showRow(timeline.shown[timeline.active].n, { keepFocus: true });
  });
  rows.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && timeline.active >= 0) showRow(timeline.shown[timeline.active].n);
    else if (event.key in ROW_KEYS) activate(Math.min(timeline.shown.length - 1, Math.max(0, timeline.active + ROW_KEYS[event.key])));
    else return;
    event.preventDefault();
  });
  for (const id of ["which", "filter"]) {
    byId(id).addEventListener("input", () => {
      pickRows();
      drawTimeline();
    });
  }
}
