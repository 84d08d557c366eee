// The page's own script: it draws what the data say, as the controls ask. No state but the controls'.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const INK = "#222222", FAINT = "#8a8a8a", MARK = "#666666";
  // Where a finger scrolls the page it must not zoom a picture by accident.
  const isTouched = window.matchMedia("(pointer: coarse)").matches;
  const config = {
    responsive: true, displaylogo: false, displayModeBar: isTouched || window.innerWidth < 600 ? false : "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };
  const NAMES = { step: "step", applications: "applications", seconds: "seconds" };
  const moments = data.runs.map(() => 0);

  const shown = (value) => {
    if (value === null || value === undefined) return "\u2013";
    if (Number.isInteger(value)) return value.toLocaleString("en");
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e4) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  };

  function axis(title, isLog) {
    return {
      title: { text: title, standoff: 6 }, type: isLog ? "log" : "linear", exponentformat: "power", automargin: true,
      gridcolor: "#dddddd", zeroline: false, linecolor: INK, ticks: "outside", nticks: 7, minorloglabels: "none",
    };
  }

  // What is drawn upwards is said above, where it has room on every screen.
  function layout(xAxis, yAxis, yTitle) {
    return {
      title: { text: yTitle, x: 0, xref: "container", xanchor: "left", y: 1, yref: "container", yanchor: "top",
        pad: { t: 8, l: 4 }, font: { size: 13 } },
      xaxis: xAxis, yaxis: yAxis, showlegend: false, hovermode: "closest", dragmode: isTouched ? false : "zoom",
      margin: { l: 10, r: 14, t: 36, b: 10 }, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
      font: { family: "system-ui, sans-serif", size: 13, color: INK }, hoverlabel: { align: "left" }, shapes: [],
    };
  }

  // A logarithm has nothing to say of what is not positive.
  const fit = (value, isLog) => (value === null || (isLog && value <= 0) ? null : value);

  function band(line, x, isLogX, isLogY) {
    const places = x.map((_, k) => k).filter(
      (k) => fit(x[k], isLogX) !== null && fit(line.low[k], isLogY) !== null && fit(line.high[k], isLogY) !== null);
    const back = [...places].reverse();
    return {
      x: [...places, ...back].map((k) => x[k]), y: [...places.map((k) => line.high[k]), ...back.map((k) => line.low[k])],
      mode: "lines", line: { width: 0, color: line.color }, fill: "toself", fillcolor: line.color, opacity: 0.2,
      hoverinfo: "skip", name: `${line.name}, band`,
    };
  }

  function curve(line, xName, isLogX, isLogY) {
    const x = line.x[xName];
    const told = x.map((_, k) => {
      const where = Object.keys(line.x).map((name) => `${NAMES[name] || name} ${shown(line.x[name][k])}`).join("<br>");
      const within = line.low ? `<br>${shown(line.low[k])} to ${shown(line.high[k])}` : "";
      return `<b>${line.name}</b><br>${shown(line.y[k])}${within}<br>${where}`;
    });
    const few = x.length <= 12;
    return {
      x: x.map((value) => fit(value, isLogX)), y: line.y.map((value) => fit(value, isLogY)), name: line.name,
      mode: few ? "lines+markers" : "lines", line: { color: line.color, dash: line.dash, width: 2.2 },
      marker: { symbol: line.symbol, size: 8, color: line.color }, text: told, hovertemplate: "%{text}<extra></extra>",
      connectgaps: false,
    };
  }

  // Some markers on long curves, each curve's a little further than the last one's, so that none hides.
  function markers(line, xName, isLogX, isLogY, phase) {
    const COUNT = 7, x = line.x[xName].map((value) => fit(value, isLogX));
    const ends = x.filter((value) => value !== null);
    if (x.length <= 12 || ends.length === 0) return null;
    const scale = isLogX ? Math.log : (value) => value;
    const first = scale(Math.min(...ends)), last = scale(Math.max(...ends));
    const places = new Set();
    for (let k = 0; k < COUNT; k += 1) {
      const goal = first + (last - first) * (k + phase) / COUNT;
      let best = -1;
      x.forEach((value, at) => {
        if (value !== null && (best < 0 || Math.abs(scale(value) - goal) < Math.abs(scale(x[best]) - goal))) best = at;
      });
      places.add(best);
    }
    const kept = [...places];
    return {
      x: kept.map((k) => x[k]), y: kept.map((k) => fit(line.y[k], isLogY)), mode: "markers", hoverinfo: "skip",
      marker: { symbol: line.symbol, size: 7, color: line.color }, name: `${line.name}, markers`,
    };
  }

  const picked = (root, name) => root.querySelector(`input[data-choice="${name}"]:checked`)?.value;

  function drawChart(root, chart) {
    const xName = picked(root, "x") || Object.keys(chart.xTitles)[0];
    const isLogX = (picked(root, "x-scale") || "log") === "log", isLogY = picked(root, "y-scale") === "log";
    const pressed = [...root.querySelectorAll("button[data-line]")].map((one) => one.getAttribute("aria-pressed") === "true");
    const lines = chart.lines.filter((_, k) => pressed[k]);
    const traces = lines.filter((line) => line.low).map((line) => band(line, line.x[xName], isLogX, isLogY));
    lines.forEach((line, k) => {
      traces.push(curve(line, xName, isLogX, isLogY));
      const marked = markers(line, xName, isLogX, isLogY, k / lines.length);
      if (marked !== null) traces.push(marked);
    });
    const looks = layout(axis(chart.xTitles[xName], isLogX), axis("", isLogY), chart.yTitle);
    if (!isLogY) looks.yaxis.rangemode = "tozero";
    if (!isLogX && xName in NAMES) looks.xaxis.rangemode = "tozero";
    // Whole numbers have no powers of ten as long as they fit.
    if (!isLogX && xName !== "seconds" && xName in NAMES) looks.xaxis.tickformat = "~s";
    if (xName === "rank") looks.xaxis.dtick = Math.max(1, Math.ceil(chart.lines[0].x.rank.length / 12));
    if (chart.run !== null) {
      const at = data.runs[chart.run].x[xName]?.[moments[chart.run]];
      if (at !== null && at !== undefined && (!isLogX || at > 0)) {
        looks.shapes.push({
          type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 1, line: { color: MARK, width: 1.5, dash: "dot" },
        });
      }
    }
    return Plotly.react(root.querySelector(".drawing"), traces, looks, config);
  }

  function bindChart(root, chart) {
    const buttons = [...root.querySelectorAll("button[data-line]")];
    const draw = () => drawChart(root, chart);
    root.querySelectorAll("input").forEach((input) => input.addEventListener("change", draw));
    const press = (button, isOn) => button.setAttribute("aria-pressed", String(isOn));
    buttons.forEach((button) => button.addEventListener("click", () => {
      press(button, button.getAttribute("aria-pressed") !== "true");
      draw();
    }));
    root.querySelectorAll("button[data-only]").forEach((button) => button.addEventListener("click", () => {
      const only = button.dataset.only;
      buttons.forEach((one, k) => press(one, only === "*" || chart.lines[k].group === only));
      draw();
    }));
    draw();
    return draw;
  }

  // ------------------------------------------------------------------------------------------ a run, moment by moment

  function drawSpectrum(target, panel, moment, isLog) {
    const index = panel.values[0].map((_, k) => k + 1);
    const trace = (values, isNow) => {
      const sizes = values.map((value) => (value === null ? null : Math.abs(value)));
      return {
        x: index, y: sizes.map((value) => fit(value, isLog)), mode: "markers", name: isNow ? "now" : "at the last step",
        marker: {
          size: isNow ? 10 : 8, color: isNow ? "#009E73" : FAINT, line: { width: isNow ? 2 : 1.5, color: isNow ? "#009E73" : FAINT },
          symbol: values.map((value) => (isNow ? (value < 0 ? "circle-open" : "circle") : "line-ew")),
        },
        text: values.map((value, k) => `${k + 1}: ${shown(value)}`), hovertemplate: "%{text}<extra></extra>",
      };
    };
    const looks = layout(axis(panel.columnTitle, false), axis("", isLog), `|${panel.rowTitle}|`);
    // The same range at every moment, so that what moves is the spectrum.
    const sizes = panel.values.flat().filter((value) => value !== null && value !== 0).map(Math.abs);
    const most = sizes.length ? Math.max(...sizes) : 1;
    const least = Math.max(sizes.length ? Math.min(...sizes) : most, most * 1e-16);
    looks.yaxis.range = isLog ? [Math.log10(least) - 0.4, Math.log10(most) + 0.3] : [-0.02 * most, 1.06 * most];
    looks.xaxis.range = [0.4, index.length + 0.6];
    looks.xaxis.dtick = Math.max(1, Math.ceil(index.length / 10));
    const last = panel.values[panel.values.length - 1];
    return Plotly.react(target, [trace(last, false), trace(panel.values[moment], true)], looks, config);
  }

  function drawMatrix(target, panel, moment) {
    const values = panel.values[moment], signed = panel.low < 0;
    const end = Math.max(Math.abs(panel.low), Math.abs(panel.high));
    const count = (size) => Array.from({ length: size }, (_, k) => k + 1);
    const trace = {
      type: "heatmap", z: values, x: count(values[0].length), y: count(values.length), zmin: signed ? -end : 0, zmax: end,
      colorscale: signed ? "RdBu" : "Cividis", colorbar: { thickness: 12, len: 1, outlinewidth: 0 }, xgap: 1, ygap: 1,
      hovertemplate: `${panel.rowTitle} %{y}<br>${panel.columnTitle} %{x}<br>%{z:.3g}<extra></extra>`,
    };
    const looks = layout(axis(panel.columnTitle, false), axis("", false), `${panel.rowTitle}, downwards`);
    looks.yaxis.autorange = "reversed";
    looks.xaxis.dtick = Math.max(1, Math.ceil(values[0].length / 10));
    looks.yaxis.dtick = Math.max(1, Math.ceil(values.length / 10));
    return Plotly.react(target, [trace], looks, config);
  }

  function drawPanel(root, panel, moment) {
    const target = root.querySelector(".drawing");
    if (panel.kind === "image") {
      root.querySelector("img").src = panel.images[moment];
    } else if (panel.kind === "spectrum") {
      drawSpectrum(target, panel, moment, picked(root, "y-scale") === "log");
    } else {
      drawMatrix(target, panel, moment);
    }
  }

  function readout(run, moment) {
    const where = Object.keys(NAMES).filter((name) => name in run.x).map((name) => `${NAMES[name]} ${shown(run.x[name][moment])}`);
    return [...where, run.words[moment]].filter(Boolean).join(", ");
  }

  function values(panel, moment) {
    if (panel.kind !== "spectrum") return "";
    return panel.values[moment].filter((value) => value !== null).slice(0, 4).map(shown).join(", ");
  }

  function bindRun(root, run, number, draws) {
    const slider = root.querySelector("input[type=range]"), panels = [...root.querySelectorAll(".panel")];
    const words = root.querySelector(".readout"), play = root.querySelector("button[data-play]");
    let timer = null;
    const show = () => {
      const moment = Number(slider.value);
      moments[number] = moment;
      const spectra = run.panels.map((panel) => values(panel, moment)).filter(Boolean);
      const where = readout(run, moment);
      words.textContent = where + (spectra.length ? `. Largest: ${spectra.join("; ")}` : "");
      slider.setAttribute("aria-valuetext", where);
      panels.forEach((panel, k) => drawPanel(panel, run.panels[k], moment));
      draws.forEach((draw) => draw());
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
    };
    const move = (by) => {
      slider.value = String(Number(slider.value) + by);
      show();
    };
    slider.addEventListener("input", () => { stop(); show(); });
    root.querySelectorAll("button[data-move]").forEach((button) => button.addEventListener("click", () => {
      stop();
      move(Number(button.dataset.move));
    }));
    play.addEventListener("click", () => {
      if (timer !== null) return stop();
      if (slider.value === slider.max) slider.value = "0";
      play.textContent = "Pause";
      timer = setInterval(() => {
        move(1);
        if (slider.value === slider.max) stop();
      }, 100);
      return undefined;
    });
    panels.forEach((panel, k) => panel.querySelectorAll("input").forEach(
      (input) => input.addEventListener("change", () => drawPanel(panel, run.panels[k], Number(slider.value)))));
    slider.value = slider.max;
    show();
  }

  document.documentElement.classList.add("script");
  const draws = data.charts.map((chart) => bindChart(document.querySelector(`[data-chart="${chart.key}"]`), chart));
  data.runs.forEach((run, number) => bindRun(
    document.querySelector(`[data-run="${number}"]`), run, number, draws.filter((_, k) => data.charts[k].run === number)));
  document.documentElement.dataset.ready = "true";
})();
