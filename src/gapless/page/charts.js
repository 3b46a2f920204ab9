"use strict";
// One renderer of panels (gapless.experiments.panels.Panel.record) for the report and the explorer.
const Charts = (() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = index => css(`--c${index % 9}`);
  const shown = value => value === null || value === undefined ? "–" : String(+value.toPrecision(4)).replace("-", "−");

  function trace(series, seen) {
    const again = seen.has(series.name);
    seen.add(series.name);
    const interval = series.low ? series.x.map((_, i) =>
      series.low[i] === null ? "" : `${series.interval}: ${shown(series.low[i])} to ${shown(series.high[i])}`) : null;
    const text = series.x.map((_, i) =>
      [interval && interval[i], series.note && series.note[i]].filter(Boolean).join("<br>"));
    const said = text.some(Boolean);
    const one = {
      type: "scatter", name: series.name, x: series.x, y: series.y, mode: series.style,
      showlegend: !again && series.name !== "", legendgroup: series.name, connectgaps: false,
      line: {color: colour(series.colour), dash: series.dash, width: 1.6, shape: series.shape || "linear"},
      marker: {color: colour(series.colour), size: 5},
      hovertemplate: `<b>${series.name}</b><br>%{x:.4~g}, %{y:.4~g}${said ? "<br>%{text}" : ""}<extra></extra>`,
    };
    if (said) one.text = text;
    if (series.fill) { one.fill = "tozeroy"; one.fillcolor = colour(series.colour) + "33"; }
    if (series.low) {
      const gap = (a, b) => a === null || b === null ? 0 : Math.max(0, a - b);
      one.error_y = {type: "data", symmetric: false, thickness: 1, width: 2, color: colour(series.colour),
        array: series.y.map((y, i) => gap(series.high[i], y)),
        arrayminus: series.y.map((y, i) => gap(y, series.low[i]))};
    }
    return one;
  }

  function layout(panel) {
    const font = {family: getComputedStyle(document.body).fontFamily, size: 12, color: css("--ink")};
    const axis = (title, scale) => ({title: {text: title, standoff: 8}, type: scale, gridcolor: css("--grid"),
      zeroline: false, linecolor: css("--line"), showline: true, ticks: "outside", tickcolor: css("--line"),
      automargin: true, exponentformat: "power", ...(scale === "log" ? {dtick: 1} : {})});
    const x = axis(panel.x, panel.x_scale), y = axis(panel.y, panel.y_scale);
    if (panel.x_range) x.range = panel.x_range;
    if (panel.y_range) y.range = panel.y_range;
    if (panel.y_scale === "linear" && !panel.y_range) y.rangemode = panel.free ? "normal" : "tozero";
    const place = (mark, value) => panel[`${mark.axis}_scale`] === "log" ? Math.log10(value) : value;
    return {
      font, xaxis: x, yaxis: y, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: {l: 52, r: 10, t: 8, b: 40}, hovermode: "closest", dragmode: "zoom",
      hoverlabel: {bgcolor: css("--card"), bordercolor: css("--line"), font},
      legend: {orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: {...font, size: 11}},
      shapes: panel.marks.map(mark => ({type: "line", [`${mark.axis}0`]: mark.value, [`${mark.axis}1`]: mark.value,
        ...(mark.axis === "x" ? {yref: "paper", y0: 0, y1: 1} : {xref: "paper", x0: 0, x1: 1}),
        line: {width: 1.2, dash: mark.dash, color: mark.colour === null ? css("--ink") : colour(mark.colour)}})),
      annotations: panel.marks.filter(mark => mark.name).map(mark => ({text: mark.name, showarrow: false,
        font: {...font, size: 11},
        ...(mark.axis === "x"
          ? {x: place(mark, mark.value), yref: "paper", y: mark.at ?? 1, xanchor: mark.side || "right", yanchor: "top"}
          : {y: place(mark, mark.value), xref: "paper", x: 1, xanchor: "right", yanchor: "bottom"})})),
    };
  }

  const config = {displaylogo: false, responsive: true, displayModeBar: false, doubleClick: "reset"};

  // Draw, or draw again with other numbers; `seen` shares one legend among the panels of a figure.
  function draw(place, panel, seen = new Set()) {
    drawn.set(place, panel);
    place.panel = panel;
    return Plotly.react(place, panel.series.map(series => trace(series, seen)), layout(panel), config);
  }

  // Arrows walk along the points, + and − zoom about the middle, 0 shows all.
  function keys(frame, place, voice) {
    let curve = 0, point = -1;
    frame.addEventListener("keydown", event => {
      const series = place.panel ? place.panel.series : [];
      if (!series.length) return;
      const walk = {ArrowRight: 1, ArrowLeft: -1}[event.key], change = {ArrowDown: 1, ArrowUp: -1}[event.key];
      if (walk || change) {
        curve = (curve + (change || 0) + series.length) % series.length;
        const count = series[curve].x.length;
        point = Math.min(count - 1, Math.max(0, point + (walk || 0)));
        const one = series[curve];
        try { Plotly.Fx.hover(place, [{curveNumber: curve, pointNumber: point}]); } catch { /* off the axes */ }
        const interval = one.low && one.low[point] !== null ? `, ${one.interval} from ${shown(one.low[point])} to ${shown(one.high[point])}` : "";
        voice.textContent = `${one.name}: ${shown(one.x[point])}, ${shown(one.y[point])}${interval}`;
      } else if (event.key === "+" || event.key === "-") {
        const factor = event.key === "+" ? 0.35 : 0.75;
        const range = place._fullLayout.xaxis.range, middle = (+range[0] + +range[1]) / 2, half = range[1] - range[0];
        Plotly.relayout(place, {"xaxis.range": [middle - factor * half, middle + factor * half]});
      } else if (event.key === "0") {
        Plotly.relayout(place, {"xaxis.autorange": true, "yaxis.autorange": true});
      } else return;
      event.preventDefault();
    });
  }

  // Fill an element with the panels of a figure.
  function figure(container, panels) {
    const seen = new Set();
    const places = panels.map(panel => {
      const frame = document.createElement("div");
      frame.className = "chart";
      frame.innerHTML = `<p class="title"></p><div class="plot" tabindex="0" role="application"></div><div class="spoken" aria-live="polite"></div>`;
      frame.firstChild.textContent = panel.title;
      const place = frame.children[1];
      place.setAttribute("aria-label", `${panel.title}: ${panel.y} against ${panel.x}. Arrow keys read the points, plus and minus zoom, zero resets.`);
      container.append(frame);
      keys(frame, place, frame.lastChild);
      return place;
    });
    // only now has every panel its width
    places.forEach((place, i) => draw(place, panels[i], seen));
    return places;
  }

  dark.addEventListener("change", () => {
    const sets = new Map();
    for (const [place, panel] of drawn) {
      const owner = place.closest(".charts");
      if (!sets.has(owner)) sets.set(owner, new Set());
      draw(place, panel, sets.get(owner));
    }
  });
  return {draw, figure, shown, drawn};
})();
