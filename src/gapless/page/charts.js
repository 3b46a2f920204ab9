"use strict";
// Draws panels (gapless.page.panels.Panel.record) in the report and the explorer.
const Charts = (() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map(), painted = new WeakMap();
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = index => css(`--c${index % 9}`);
  const shown = value => value === null || value === undefined ? "–" : String(+value.toPrecision(4)).replace("-", "−");

  // Where a number stands on an axis. Plotly has no symlog scale: its numbers are moved as matplotlib moves them.
  const bent = (axis, value) => {
    if (axis.scale !== "symlog" || value === null) return value;
    const size = Math.abs(value), inner = 10 / 9;
    return size <= axis.linear ? value * inner : Math.sign(value) * axis.linear * (inner + Math.log10(size / axis.linear));
  };
  const position = (axis, value) => value !== null && axis.scale === "log" ? Math.log10(value) : bent(axis, value);

  const entry = series => `${series.legend ?? series.name} ${series.colour}`;

  function trace(series, panel, seen) {
    const legend = series.legend ?? series.name, again = seen.has(entry(series));
    seen.add(entry(series));
    const known = i => series.low && series.low[i] !== null && series.high[i] !== null;
    const text = series.x.map((_, i) => [
      known(i) ? `${series.interval}: ${shown(series.low[i])} to ${shown(series.high[i])}` : "",
      series.note ? series.note[i] : ""].filter(Boolean).join("<br>"));
    const said = text.some(Boolean);
    // steps that are zero end on the floor of a logarithmic axis
    const floor = series.steps && panel.y.scale === "log" && panel.y.range[0] !== null ? panel.y.range[0] / 10 : -Infinity;
    const y = series.y.map(value => value === null ? null : bent(panel.y, Math.max(value, floor)));
    const one = {
      type: "scatter", name: legend || series.name, x: series.x.map(value => bent(panel.x, value)), y, mode: series.style,
      showlegend: !again && legend !== "", legendgroup: entry(series), connectgaps: false,
      line: {color: colour(series.colour), dash: series.dash, width: series.width * 4 / 3, shape: series.steps ? "hv" : "linear"},
      marker: {color: colour(series.colour), size: 5, symbol: series.marker,
        ...(series.marker.endsWith("-open") ? {line: {width: 1.2}} : {})},
      customdata: series.x.map((x, i) => [x, series.y[i]]),
      hovertemplate: `<b>${series.name}</b><br>%{customdata[0]:.4~g}, %{customdata[1]:.4~g}${said ? "<br>%{text}" : ""}<extra></extra>`,
    };
    if (said) one.text = text;
    if (series.fill) { one.fill = "tozeroy"; one.fillcolor = colour(series.colour) + "33"; }
    if (series.low && !series.band) {
      const gap = (a, b, i) => known(i) && series.y[i] !== null ? Math.max(0, bent(panel.y, a) - bent(panel.y, b)) : 0;
      one.error_y = {type: "data", symmetric: false, thickness: 1, width: 2, color: colour(series.colour),
        array: series.y.map((y, i) => gap(series.high[i], y, i)),
        arrayminus: series.y.map((y, i) => gap(y, series.low[i], i))};
    }
    return one;
  }

  // A band is a closed polygon for each stretch without a gap.
  function band(series, panel) {
    const x = [], y = [];
    let stretch = [];
    const close = () => {
      if (stretch.length) {
        const turn = [...stretch].reverse();
        x.push(...stretch.map(i => bent(panel.x, series.x[i])), ...turn.map(i => bent(panel.x, series.x[i])), null);
        y.push(...stretch.map(i => bent(panel.y, series.low[i])), ...turn.map(i => bent(panel.y, series.high[i])), null);
      }
      stretch = [];
    };
    series.x.forEach((value, i) => value === null || series.low[i] === null || series.high[i] === null ? close() : stretch.push(i));
    close();
    return {type: "scatter", mode: "lines", x, y, line: {width: 0}, fill: "toself", fillcolor: colour(series.colour) + "40",
      hoverinfo: "skip", showlegend: false, legendgroup: entry(series)};
  }

  // Shades on equal cells, as an image of one pixel a cell: the bundle has no heat map. A cell of the upper limit has
  // the opacity DARKEST (gapless.page.panels).
  const DARKEST = 0.9;
  function image(heat) {
    const rows = heat.values, ink = colour(heat.colour);
    if (!painted.has(heat) || painted.get(heat).ink !== ink) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [rows[0].length, rows.length];
      const context = canvas.getContext("2d");
      context.fillStyle = ink;
      rows.forEach((row, j) => row.forEach((shade, i) => {
        context.globalAlpha = shade;
        context.fillRect(i, rows.length - 1 - j, 1, 1);
      }));
      painted.set(heat, {ink, source: canvas.toDataURL()});
    }
    return {source: painted.get(heat).source, xref: "x", yref: "y", x: heat.x[0], y: heat.y[1], xanchor: "left", yanchor: "top",
      sizex: heat.x[1] - heat.x[0], sizey: heat.y[1] - heat.y[0], sizing: "stretch", layer: "below"};
  }

  // Their colour bar: that of a trace without a point.
  const bar = (heat, font) => ({type: "scatter", mode: "markers", x: [null], y: [null], showlegend: false, hoverinfo: "skip",
    marker: {color: [heat.range[0]], cmin: heat.range[0], cmax: heat.range[1], showscale: true,
      colorscale: [0, DARKEST].map((shade, i) => [i, colour(heat.colour) + Math.round(255 * shade).toString(16).padStart(2, "0")]),
      colorbar: {title: {text: heat.name, side: "right", font}, tickfont: font, tickcolor: css("--line"), ticks: "outside", outlinecolor: css("--line"),
        thickness: 12, xpad: 6, ypad: 0, nticks: 6, exponentformat: "power"}}});

  // Ends of an axis. Of one that is given by half the other is left to the numbers; a range with a null would not outlive a resize.
  function range(axis) {
    const [low, high] = axis.range.map(end => position(axis, end));
    return low !== null && high !== null ? {range: [low, high]}
      : {autorange: true, autorangeoptions: {...(low === null ? {} : {minallowed: low}), ...(high === null ? {} : {maxallowed: high})}};
  }

  // The numbers of all curves along an axis, and its ends: what stands between them.
  function extent(panel, name) {
    const columns = panel.series.flatMap(one => name === "y" && one.low ? [one.y, one.low, one.high] : [one[name]]);
    const ends = panel[name].range, log = panel[name].scale === "log";
    const known = [...columns.flat(), ...ends].filter(value => value !== null && (!log || value > 0));
    const low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
    return [ends[0] ?? low, ends[1] ?? high];
  }

  // Ticks that can be read: at most nine decades are named, and powers of ten are written as such.
  function ticks(axis, [low, high]) {
    const power = value => {
      const exponent = Math.log10(Math.abs(value));
      return value && (exponent >= 4 || exponent <= -3) && Number.isInteger(+exponent.toFixed(9))
        ? `${value < 0 ? "−" : ""}10<sup>${String(Math.round(exponent)).replace("-", "−")}</sup>` : shown(value);
    };
    if (axis.scale === "log" && !axis.ticks) {
      const [first, last] = [Math.log10(low), Math.log10(high)];
      // with fewer than two powers of ten between the ends 2 and 5 are named too
      return {dtick: Math.floor(last) > Math.ceil(first) ? Math.ceil((last - first) / 9) : "D2"};
    }
    if (!axis.ticks) return {};
    let named = axis.ticks;
    if (axis.scale === "symlog") {
      const seen = named.filter(value => value >= low && value <= high), every = Math.ceil(seen.length / 9);
      const smallest = Math.log10(axis.linear);
      named = named.filter(value => !value || Math.round(Math.log10(Math.abs(value)) - smallest) % every === 0);
    }
    return {tickmode: "array", tickvals: named.map(value => bent(axis, value)), ticktext: named.map(power)};
  }

  function shape(mark, panel) {
    const [from, to] = [mark.value, mark.until ?? mark.value].map(value => bent(panel[mark.axis], value)), ink = colour(mark.colour);
    return {[`${mark.axis}0`]: from, [`${mark.axis}1`]: to,
      ...(mark.axis === "x" ? {yref: "paper", y0: 0, y1: 1} : {xref: "paper", x0: 0, x1: 1}),
      ...(mark.until === null ? {type: "line", line: {width: mark.width * 4 / 3, dash: mark.dash, color: ink}}
        : {type: "rect", layer: "below", fillcolor: ink, opacity: 0.15, line: {width: 0}})};
  }

  function layout(panel) {
    const font = {family: getComputedStyle(document.body).fontFamily, size: 12, color: css("--ink")};
    const axis = (one, name) => ({title: {text: one.name, standoff: 8}, type: one.scale === "log" ? "log" : "linear",
      gridcolor: css("--grid"), showgrid: panel.heat === null,
      zeroline: false, linecolor: css("--line"), showline: true, ticks: "outside", tickcolor: css("--line"),
      automargin: true, exponentformat: "power", ...ticks(one, extent(panel, name)), ...range(one)});
    const upper = panel.upper ? {xaxis2: {...axis({...panel.x, name: panel.upper[0]}, "x"), overlaying: "x", side: "top", showgrid: false,
      autorange: false, range: above(panel, [0, 1])}} : {};
    // no mark is at a number that a logarithmic axis does not have
    const marks = panel.marks.filter(mark => panel[mark.axis].scale !== "log" || mark.value > 0);
    return {
      font, xaxis: axis(panel.x, "x"), yaxis: axis(panel.y, "y"), ...upper, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: {l: 52, r: 10, t: 8, b: 40}, hovermode: "closest", dragmode: "zoom",
      hoverlabel: {bgcolor: css("--card"), bordercolor: css("--line"), font},
      legend: {orientation: "h", x: 0, ...(panel.upper ? {y: -0.3, yanchor: "top"} : {y: 1.02, yanchor: "bottom"}), font: {...font, size: 11}},
      images: panel.heat ? [image(panel.heat)] : [],
      shapes: marks.map(mark => shape(mark, panel)),
      annotations: marks.filter(mark => mark.name).map(mark => ({text: mark.name, showarrow: false, font: {...font, size: 11},
        ...(mark.axis === "x"
          ? {x: position(panel.x, mark.value), yref: "paper", y: mark.at, xanchor: mark.side === "right" ? "left" : "right", yanchor: "top"}
          : {y: position(panel.y, mark.value), xref: "paper", x: mark.at, xanchor: "right", yanchor: mark.side === "below" ? "top" : "bottom"})})),
    };
  }

  const config = {displaylogo: false, responsive: true, displayModeBar: false, doubleClick: "reset"};

  // Ends of the upper scale where those of the lower one are `ends`, as plotly has them.
  const above = (panel, ends) => ends.map(end => panel.x.scale === "log" ? end + Math.log10(panel.upper[1]) : end * panel.upper[1]);

  // The upper scale goes wherever the lower one is dragged.
  function follow(place) {
    if (!place.panel.upper) return;
    const {xaxis, xaxis2} = place._fullLayout, ends = above(place.panel, xaxis.range);
    if (ends.some((end, i) => Math.abs(end - xaxis2.range[i]) > 1e-9)) Plotly.relayout(place, {"xaxis2.range": ends});
  }

  // The panel with y on the other scale: an end at zero is none of a logarithmic axis.
  const switched = (panel, scale) => ({...panel, y: {...panel.y, scale, range: panel.y.range.map(end => scale === "log" && !(end > 0) ? null : end)}});

  // Draw, or draw again with other numbers; `seen` shares one legend among the panels of a figure.
  function draw(place, given, seen = new Set()) {
    drawn.set(place, given);
    late.delete(place);
    const panel = place.scale ? switched(given, place.scale) : given;
    place.panel = panel;
    const said = panel.own_legend ? new Set() : seen;
    // bands last: the number of a curve is that of its series
    const traces = [...panel.series.map(series => trace(series, panel, said)),
      ...panel.series.filter(series => series.band).map(series => band(series, panel))];
    // an axis is drawn if a curve is on it
    if (panel.upper) traces.push({type: "scatter", x: [null], y: [null], xaxis: "x2", showlegend: false, hoverinfo: "skip"});
    if (panel.heat) traces.push(bar(panel.heat, layout(panel).legend.font));
    said.forEach(one => seen.add(one));
    // what a reader has zoomed stays so while numbers change, until the scale is another
    return Plotly.react(place, traces, {...layout(panel), uirevision: place.scale ?? "given"}, config).then(() => follow(place));
  }

  // Plotly draws panels out of view when they come into view or are printed, and those that move when the slider rests,
  // one at a time, so that the next step of the slider need not wait for all of them.
  const REST_MS = 200;
  const unseen = new WeakSet(), late = new Map();
  let resting = 0;
  const catchUp = place => { if (late.has(place)) draw(place, late.get(place)); };
  const waiting = () => [...late.keys()].find(place => !unseen.has(place));
  function drawWaiting() {
    const place = waiting();
    if (!place) return;
    catchUp(place);
    resting = setTimeout(drawWaiting);
  }
  const watcher = new IntersectionObserver(entries => entries.forEach(({target, isIntersecting}) => {
    if (!isIntersecting) return unseen.add(target);
    unseen.delete(target);
    catchUp(target);
  }), {rootMargin: "150px"});
  addEventListener("beforeprint", () => [...late.keys()].forEach(catchUp));

  // Draw a panel with other numbers. Plotly takes as long for one line as for the whole panel: where the axes and the
  // legend stand still, the parts that change are moved, unless a reader points at plotly's numbers.
  function update(place, given) {
    late.set(place, given);
    if (unseen.has(place)) return;
    if (place.matches(":hover, :focus") || !move(place, drawn.get(place), given)) return draw(place, given);
    drawn.set(place, given);
    place.panel = given;
    clearTimeout(resting);
    resting = setTimeout(drawWaiting, REST_MS);
  }

  // Whether all that differs between two panels is in numbers within known axes.
  function still(before, given) {
    const same = (one, other, names) => names.every(name => one[name] === other[name]);
    const entries = panel => [...new Set(panel.series.map(entry))].join();
    return before.title === given.title && !before.heat === !given.heat
      && before.marks.length === given.marks.length && before.series.length === given.series.length
      && [given.x, given.y].every((axis, k) => axis.scale === "linear" && axis.name === [before.x, before.y][k].name
        && axis.range.every((end, i) => end === [before.x, before.y][k].range[i]))
      && given.marks.every((mark, i) => same(mark, before.marks[i], ["name", "axis", "until"]))
      && (before.series.every((series, i) => series === given.series[i])
        || [...given.x.range, ...given.y.range].every(end => end !== null) && entries(before) === entries(given)
          && given.series.every((series, i) => !series.low && same(series, before.series[i], ["style", "marker", "dash", "width", "steps", "fill"])));
  }

  // Move what differs between two panels; false where plotly has to draw it, all of it.
  function move(place, before, given) {
    if (place.scale === "log" || !still(before, given) || !place._fullData.every(one => one.visible === true)) return false;
    if (!given.series.every((series, i) => series === before.series[i] || moveCurve(place, i, before.series[i], series))) return false;
    let named = -1;
    for (const [i, mark] of given.marks.entries()) {
      if (mark.name) named += 1;
      if (mark.value === before.marks[i].value) continue;
      const axis = place._fullLayout[`${mark.axis}axis`], along = axis.r2p(mark.value), at = axis._offset + along;
      const line = place.querySelector(`.shapelayer path[data-index="${i}"]`);
      const [x0, y0, x1, y1] = line.getAttribute("d").match(/-?[\d.]+/g);
      line.setAttribute("d", mark.axis === "x" ? `M${at},${y0}L${at},${y1}` : `M${x0},${at}L${x1},${at}`);
      if (!mark.name) continue;
      const name = place.querySelector(`.annotation[data-index="${named}"]`);
      // there is no name at a line that is off the axis
      if (!name || along < 0 || along > axis._length) return false;
      const moved = along - axis.r2p(place.layout.annotations[named][mark.axis]);
      name.setAttribute("transform", mark.axis === "x" ? `translate(${moved},0)` : `translate(0,${moved})`);
    }
    if (before.heat !== given.heat) place.querySelector(".imagelayer image").setAttribute("href", image(given.heat).source);
    return true;
  }

  // Move a curve, with its points and its shade down to zero; false where it has not the elements for that.
  function moveCurve(place, i, before, series) {
    const {xaxis, yaxis} = place._fullLayout, group = place.querySelector(`.trace${place._fullData[i].uid}`);
    const stretches = [[]];
    series.x.forEach((x, k) => x === null || series.y[k] === null ? stretches.push([])
      : stretches[stretches.length - 1].push([xaxis.c2p(x), yaxis.c2p(series.y[k])]));
    const known = stretches.filter(points => points.length), recoloured = before.colour !== series.colour;
    const [line, ...more] = group.querySelectorAll(".js-line"), [shade, ...shades] = group.querySelectorAll(".js-fill");
    const dots = group.querySelectorAll(".points path"), at = known.flat();
    if (series.style !== "markers" && !line || series.fill && (!shade || recoloured)) return false;
    if (series.style !== "lines" && (dots.length !== at.length || recoloured)) return false;
    const text = points => points.map(([x, y], k) => series.steps && k ? `H${x}V${y}` : `${k ? "L" : ""}${x},${y}`).join("");
    if (line) {
      line.setAttribute("d", known.map(points => `M${text(points)}`).join(""));
      more.forEach(other => other.setAttribute("d", ""));
      if (recoloured) line.style.stroke = colour(series.colour);
    }
    if (series.fill) {
      const zero = yaxis.c2p(0);
      shade.setAttribute("d", known.map(points => `M${points[points.length - 1][0]},${zero}L${points[0][0]},${zero}L${text(points)}`).join(""));
      shades.forEach(other => other.setAttribute("d", ""));
    }
    dots.forEach((dot, k) => dot.setAttribute("transform", `translate(${at[k]})`));
    return true;
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
        const interval = one.low && one.low[point] !== null && one.high[point] !== null ? `, ${one.interval} from ${shown(one.low[point])} to ${shown(one.high[point])}` : "";
        voice.textContent = `${one.name}: ${shown(one.x[point])}, ${shown(one.y[point])}${interval}`;
      } else if (event.key === "+" || event.key === "-") {
        const factor = event.key === "+" ? 0.35 : 0.75;
        const range = place._fullLayout.xaxis.range, middle = (+range[0] + +range[1]) / 2, half = range[1] - range[0];
        Plotly.relayout(place, {"xaxis.range": [middle - factor * half, middle + factor * half]});
      } else if (event.key === "0") {
        const {xaxis, yaxis} = layout(place.panel);
        Plotly.relayout(place, {xaxis, yaxis});
      } else return;
      event.preventDefault();
    });
  }

  // A button that puts y on a logarithmic axis, or back.
  function switchOf(place, panel) {
    const button = document.createElement("button"), log = panel.y.scale === "log";
    button.type = "button";
    button.className = "scale";
    button.textContent = "log y";
    button.setAttribute("aria-label", `${panel.title}: logarithmic ${panel.y.name || "y"}`);
    button.setAttribute("aria-pressed", log);
    button.addEventListener("click", () => {
      place.scale = (place.scale ?? panel.y.scale) === "log" ? "linear" : "log";
      button.setAttribute("aria-pressed", place.scale === "log");
      redraw(place.closest(".charts"));
    });
    return button;
  }

  // A button that saves the panel as it stands, in the colours of the page, with its title.
  function saver(place, panel) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "scale";
    button.textContent = "SVG";
    button.setAttribute("aria-label", `${panel.title}: save as SVG`);
    button.addEventListener("click", () => {
      catchUp(place);
      const {title} = place.panel, {width, height} = place._fullLayout;
      const more = {width, height: height + 30, paper_bgcolor: css("--card"), title: {text: title, font: {size: 14}, automargin: true, yref: "container"}};
      Plotly.downloadImage({data: place.data, layout: {...place.layout, ...more}}, {format: "svg", width, height: height + 30,
        filename: title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")});
    });
    return button;
  }

  // Draw the panels of one element again, with one legend among them.
  function redraw(owner) {
    const seen = new Set();
    for (const [place, panel] of drawn) if (place.closest(".charts") === owner) draw(place, late.get(place) ?? panel, seen);
  }

  // Fill an element with the panels of a figure; `save` puts a button to each that saves it.
  function figure(container, panels, save = false) {
    const seen = new Set();
    const places = panels.map(panel => {
      const frame = document.createElement("div");
      frame.className = "chart";
      frame.style.setProperty("--width", panel.size[0]);
      frame.style.setProperty("--height", panel.size[1]);
      frame.innerHTML = `<p class="title"></p><div class="plot" tabindex="0" role="application"></div><div class="spoken" aria-live="polite"></div>`;
      frame.firstChild.textContent = panel.title;
      const place = frame.children[1];
      place.setAttribute("aria-label", `${panel.title}: ${panel.y.name} against ${panel.x.name}. Arrow keys read the points, plus and minus zoom, zero resets.`);
      container.append(frame);
      keys(frame, place, frame.lastChild);
      if (save) frame.firstChild.append(saver(place, panel));
      if (panel.y.scale !== "symlog" && panel.heat === null && !panel.y.ticks) frame.firstChild.append(switchOf(place, panel));
      return place;
    });
    // only now has every panel its width
    places.forEach((place, i) => {
      draw(place, panels[i], seen);
      place.on("plotly_relayout", () => follow(place));
      watcher.observe(place);
    });
    return places;
  }

  dark.addEventListener("change", () => new Set([...drawn.keys()].map(place => place.closest(".charts"))).forEach(redraw));
  return {draw, update, figure, shown, drawn, waiting, DARKEST};
})();
