// SPDX-License-Identifier: BSD-2-Clause
// Plots over time: by dygraphs where the system has it (Debian: libjs-dygraphs), else by our own canvas; and sparklines.
import {el, svg} from "./ui.js";

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A small line without axes.
export function spark(values, name) {
  const width = 200, height = 34, most = Math.max(...values, 1e-9);
  const points = values.map((value, i) => [i * width / Math.max(1, values.length - 1), height - 2 - value / most * (height - 5)]);
  const line = points.map(([x, y]) => x.toFixed(1) + "," + y.toFixed(1)).join(" ");
  return svg("svg", {class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true"},
    svg("polygon", {points: `0,${height} ${line} ${width},${height}`, fill: `var(${name})`, opacity: ".16"}),
    svg("polyline", {points: line, fill: "none", stroke: `var(${name})`, "stroke-width": "1.6", "vector-effect": "non-scaling-stroke"}));
}

function timeText(time, step) {
  const date = new Date(time);
  if (step >= 3600) return date.toLocaleDateString("en-GB", {day: "numeric", month: "short"}) + " " + date.toLocaleTimeString("en-GB", {hour: "2-digit", minute: "2-digit"});
  return date.toLocaleTimeString("en-GB", step >= 60 ? {hour: "2-digit", minute: "2-digit"} : {});
}

// plot.draw({step, times: [ms], series: [{name, colour, values}], unit}) draws anew.
export function plot(label, stacked) {
  const canvas = el("canvas", {"aria-hidden": "true"});
  const holder = el("div", {style: {height: "100%"}});
  const tip = el("div.tip", {hidden: true});
  const words = el("p.sr");
  const box = el("div.plot", {role: "img", "aria-label": label}, holder, canvas, tip, words);
  let data = null, graph = null;

  function tell() {
    const last = data.series.map(one => `${one.name} ${data.unit(one.values.at(-1) || 0)}`);
    box.setAttribute("aria-label", `${label}, now: ${last.join(", ") || "nothing"}`);
  }

  function showTip(i, x) {
    if (i < 0 || i >= data.times.length) { tip.hidden = true; return; }
    const rows = data.series.map(one => el("div", el("span", {style: {color: `var(${one.colour})`}}, "■ "), one.name + " ", el("b", data.unit(one.values[i] || 0))));
    tip.replaceChildren(el("div.dim", timeText(data.times[i], data.step)), ...rows.slice(0, 9));
    tip.hidden = false;
    tip.style.setProperty("--x", Math.max(4, x > box.clientWidth / 2 ? x - tip.offsetWidth - 12 : x + 12) + "px");
  }

  function byLibrary() {
    const rows = data.times.map((time, i) => [new Date(time), ...data.series.map(one => one.values[i] ?? null)]);
    const options = {file: rows, labels: ["time", ...data.series.map(one => one.name)], colors: data.series.map(one => colour(one.colour)),
      dateWindow: [data.times[0], data.times.at(-1)]};
    canvas.hidden = true;
    if (!rows.length || !data.series.length) { graph?.destroy(); graph = null; return; }
    if (graph && graph.getLabels().join() === options.labels.join()) { graph.updateOptions(options); return; }
    graph?.destroy();
    graph = new window.Dygraph(holder, rows, {...options, stackedGraph: stacked, fillGraph: true, fillAlpha: stacked ? .55 : .14, strokeWidth: 1.5,
      legend: "never", includeZero: true, axisLineColor: colour("--line-strong"), gridLineColor: colour("--line"), highlightCircleSize: 2.5, rightGap: 8,
      axes: {y: {axisLabelFormatter: value => data.unit(value), axisLabelWidth: 58, drawGrid: true}, x: {drawGrid: false}},
      highlightCallback: (event, time, points, row) => showTip(row, points[0]?.canvasx ?? 0), unhighlightCallback: () => { tip.hidden = true; }});
  }

  // Sums of the series up to each one.
  function sums() {
    const below = data.times.map(() => 0);
    return data.series.map(one => one.values.map((value, i) => stacked ? below[i] += value || 0 : value || 0));
  }

  const LEFT = 62, BOTTOM = 22, TOP = 6;
  function byCanvas() {
    const width = box.clientWidth - 20, height = box.clientHeight - 8, ratio = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
    holder.hidden = true;
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.setProperty("width", width + "px"); canvas.style.setProperty("height", height + "px");
    pen.scale(ratio, ratio);
    const heights = sums(), most = Math.max(1, ...heights.flat()) * 1.08, count = data.times.length;
    const x = i => LEFT + (width - LEFT - 6) * i / Math.max(1, count - 1), y = value => TOP + (height - TOP - BOTTOM) * (1 - value / most);
    pen.font = "11px system-ui, sans-serif";
    for (let k = 0; k <= 3; k++) {
      const value = most * k / 3.2;
      pen.strokeStyle = colour("--line"); pen.fillStyle = colour("--dim"); pen.textAlign = "right";
      pen.beginPath(); pen.moveTo(LEFT, y(value)); pen.lineTo(width - 6, y(value)); pen.stroke();
      pen.fillText(data.unit(value), LEFT - 6, y(value) + 4);
    }
    pen.textAlign = "center";
    for (let k = 0; k < 5 && count; k++) {
      const i = Math.round((count - 1) * (k + .5) / 5);
      pen.fillText(timeText(data.times[i], data.step), x(i), height - 6);
    }
    for (let s = data.series.length - 1; s >= 0; s--) {
      const ink = colour(data.series[s].colour);
      pen.beginPath(); pen.moveTo(x(0), y(0));
      heights[s].forEach((value, i) => pen.lineTo(x(i), y(value)));
      pen.lineTo(x(count - 1), y(0)); pen.closePath();
      pen.globalAlpha = stacked ? .55 : .14; pen.fillStyle = ink; pen.fill(); pen.globalAlpha = 1;
      pen.beginPath(); heights[s].forEach((value, i) => i ? pen.lineTo(x(i), y(value)) : pen.moveTo(x(i), y(value)));
      pen.strokeStyle = ink; pen.lineWidth = 1.5; pen.stroke();
    }
    canvas.onmousemove = event => showTip(Math.round((event.offsetX - LEFT) / (width - LEFT - 6) * (count - 1)), event.offsetX);
    canvas.onmouseleave = () => { tip.hidden = true; };
  }

  return {
    box,
    draw(next) {
      data = next;
      if (!box.isConnected || !box.clientWidth) return;
      if (window.Dygraph) byLibrary(); else byCanvas();
      tell();
    },
    destroy() { graph?.destroy(); graph = null; },
  };
}
