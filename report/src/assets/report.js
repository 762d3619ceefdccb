"use strict";
// Reads values off the charts: one crosshair for all charts over time, by pointer or by arrow keys; and the theme
// button. Without it the page loses nothing but that.
(() => {
  const element = (name, className) => Object.assign(document.createElement(name), { className, hidden: true });

  const charts = [...document.querySelectorAll(".frame")].map((frame) => {
    const data = JSON.parse(frame.querySelector("script").textContent);
    const chart = {
      frame, data, plot: frame.querySelector("svg"), cursor: element("div", "cursor"), tip: element("output", "tip"),
      last: Math.max(0, ...data.series.map((s) => s.values.length - 1)), index: -1,
    };
    frame.append(chart.cursor, chart.tip);
    return chart;
  });

  const number = (v) => {
    if (v === 0) return "0";
    return Number.isInteger(v) || Math.abs(v) >= 100
      ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(3)));
  };
  const span = (ms) => {
    if (ms < 0) return "−" + span(-ms);
    if (ms < 1e3) return number(ms) + " ms";
    if (ms < 120e3) return number(ms / 1e3) + " s";
    return ms < 7200e3 ? number(ms / 60e3) + " min" : number(ms / 3600e3) + " h";
  };
  const value = (v, unit) => {
    if (v == null) return "–";
    if (unit === "ms") return span(v);
    return unit === "$" ? "$" + (v < 1 ? number(v) : v.toFixed(2)) : (number(v) + " " + unit).trim();
  };
  const pad = (n) => String(n).padStart(2, "0");
  const position = (v, kind) => {
    if (kind === "percent") return v + " %";
    if (kind === "nines") return v === 0 ? "min" : "p" + Number((100 - 100 * 10 ** -v).toFixed(Math.max(1, Math.ceil(v) - 1)));
    const s = Math.floor(v), hours = Math.floor(s / 3600);
    const minutes = Math.floor(s / 60) % 60;
    return (hours ? hours + ":" + pad(minutes) : minutes) + ":" + pad(s % 60);
  };

  const nearest = ({ data, last }, x) =>
    Math.min(last, Math.max(0, Math.round((x - data.first) / data.step)));
  const at = ({ data }, index) => data.first + index * data.step;

  function show(chart, index, speaks) {
    const { data, frame, plot, cursor, tip } = chart;
    const x = at(chart, index), inner = plot.getBoundingClientRect(), outer = frame.getBoundingClientRect();
    const left = inner.left - outer.left + (x - data.lo) / (data.hi - data.lo) * inner.width;
    const head = element("b", "");
    head.textContent = position(x, data.kind);
    head.hidden = false;
    tip.replaceChildren(head, ...data.series.map((series) => {
      const row = element("span", series.class), reading = document.createElement("b");
      reading.textContent = value(series.values[index], data.unit);
      row.append(series.name, reading);
      row.hidden = false;
      return row;
    }));
    chart.index = index;
    cursor.hidden = tip.hidden = false;
    cursor.style.left = left + "px";
    tip.setAttribute("aria-live", speaks ? "polite" : "off");
    const flip = left + 12 + tip.offsetWidth > outer.width;
    tip.style.left = Math.max(0, flip ? left - 12 - tip.offsetWidth : left + 12) + "px";
  }

  const linked = (chart) =>
    chart.data.kind === "time" ? charts.filter((other) => other.data.kind === "time") : [chart];
  const showAt = (chart, x) => linked(chart).forEach((other) => show(other, nearest(other, x), other === chart));
  const hide = (chart) => linked(chart).forEach((other) => { other.cursor.hidden = other.tip.hidden = true; });

  for (const chart of charts) {
    const { frame, data, plot, last } = chart;
    frame.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
      showAt(chart, data.lo + Math.min(1, Math.max(0, share)) * (data.hi - data.lo));
    });
    frame.addEventListener("pointerleave", () => hide(chart));
    frame.addEventListener("blur", () => hide(chart));
    frame.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hide(chart);
      const page = Math.ceil(last / 20);
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
      if (!(event.key in steps)) return;
      event.preventDefault();
      const index = Math.min(last, Math.max(0, chart.index + steps[event.key]));
      showAt(chart, at(chart, index));
    });
  }

  const button = document.getElementById("theme"), themes = ["auto", "light", "dark"], root = document.documentElement;
  let theme = 0;
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    if (theme === 0) delete root.dataset.theme; else root.dataset.theme = themes[theme];
    button.textContent = "Theme: " + themes[theme];
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
