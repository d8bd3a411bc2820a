// Puts the page together, and keeps it up to date while a run goes on.

const TABS = ["graph", "time"];

function showTab(name) {
  for (const tab of TABS) {
    const button = byId(`tab-${tab}`);
    button.setAttribute("aria-selected", String(tab === name));
    button.tabIndex = tab === name ? 0 : -1;
    byId(`view-${tab}`).hidden = tab !== name;
  }
  if (name === "time") {
    drawAxis();
    drawTimeline();
  }
}

function drawSummary() {
  const run = model.run;
  if (!run) {
    byId("summary").textContent = `${model.boxes.size} nodes; no run`;
    return;
  }
  const counts = { running: 0, succeeded: 0, failed: 0, cancelled: 0 };
  for (const row of model.rows) counts[row.status] += 1;
  const told = Object.entries(counts).filter(([, n]) => n).map(([name, n]) => `${n} ${name}`).join(", ");
  const ended = run.over ? (run.ok ? "✓ succeeded" : "✗ failed") : model.live ? "▶ running" : "… not known how it ended";
  byId("result").hidden = !run.over;
  byId("summary").textContent = `${ended} · ${duration(run.seconds)} · ${model.rows.length} calls of steps${told ? `: ${told}` : ""}`;
}

function drawFailure() {
  const run = model.run;
  const line = byId("failure");
  if (!run || !run.over || run.ok || !line.hidden) return;
  const said = `${run.error.type}: ${run.error.message[0].slice(0, 300)}`;
  const inner = [make("b", {}, "✗ "), said];
  if (run.where) {
    const go = make("button", { class: "link", type: "button", id: "to-failure" }, `at ${run.where.path || "the flow"}`);
    go.addEventListener("click", toFailure);
    inner.push(" ", go);
  }
  line.replaceChildren(...inner);
  line.hidden = false;
}

function toFailure() {
  const run = model.run;
  const box = run.failedAt === null || run.failedAt === undefined ? boxAt(run.where.path) : boxAt(model.rows[run.failedAt].path);
  if (!box) return;
  reveal(box);
  showTab("graph");
  graph.focus = box.id;
  drawGraph();
  focusItem(find(box.id));
  // What failed may be no step: then what the run says of it is all there is.
  showBox(box.id, { keepFocus: true, more: run.failedAt === null || run.failedAt === undefined ? drawRun() : [] });
}

function drawAll() {
  drawSummary();
  drawFailure();
  drawGraph();
  pickRows();
  if (!byId("view-time").hidden) {
    drawAxis();
    drawTimeline();
  }
}

function startTabs() {
  for (const tab of TABS) byId(`tab-${tab}`).addEventListener("click", () => showTab(tab));
  byId("tabs").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = byId("view-graph").hidden ? "graph" : "time";
    showTab(other);
    byId(`tab-${other}`).focus();
    event.preventDefault();
  });
}

/** Takes in what the server tells of the run; draws at most five times a second, however much it is. */
function follow() {
  model.live = true;
  const source = new EventSource("events");
  let waiting = null;
  const draw = () => {
    waiting = null;
    unfoldSome(AT_FIRST);
    drawAll();
    if (details.again) details.again();
  };
  source.onmessage = (event) => {
    takeIn(JSON.parse(event.data));
    if (model.run.over) {
      model.live = false;
      source.close();
    }
    if (waiting === null) waiting = setTimeout(draw, 200);
  };
  source.onerror = () => {
    if (model.live) byId("summary").textContent += " · no connection";
  };
  setInterval(() => {
    if (model.live && !byId("view-time").hidden) drawTimeline();
  }, 500);
}

function start() {
  const data = JSON.parse(byId("data").textContent);
  takeIn(data);
  startTabs();
  startGraph();
  startTimeline();
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("panel").hidden) closePanel();
  });
  window.addEventListener("resize", () => showTab(byId("view-time").hidden ? "graph" : "time"));
  window.addEventListener("beforeprint", () => {
    timeline.all = true;
    drawAxis();
    drawTimeline();
  });
  window.addEventListener("afterprint", () => {
    timeline.all = false;
    drawTimeline();
  });
  byId("result").addEventListener("click", showRun);
  if (!data.run && !data.live) byId("tab-time").hidden = true;
  unfoldSome(AT_FIRST);
  drawAll();
  if (data.live) follow();
}

start();
