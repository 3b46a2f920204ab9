"use strict";
// The explorer: two sliders select precomputed numbers, and Charts draws them.
(() => {
  const {grids, runs} = JSON.parse(document.getElementById("data").textContent);
  const element = id => document.getElementById(id);
  // differences of two numbers of order one: what rounding leaves of them is zero
  const shown = value => Charts.shown(typeof value === "number" && Math.abs(value) < 1e-9 ? 0 : value);
  const line = {style: "lines", dash: "solid", low: null, high: null, note: null, legend: null, marker: "circle",
    width: 1.2, band: false, steps: false, fill: false};
  const INK = 6, GREY = 7;
  const mark = (axis, value, name, dash, colour, side = "left", at = 1) =>
    ({axis, value, name, dash, colour, side, at, width: 0.9, until: null});
  const axis = (name, range) => ({name, scale: "linear", range, ticks: null});
  const panel = (title, x, y, series, marks, {across = [null, null], up = [0, null], heat = null} = {}) =>
    ({title, x: axis(x, across), y: axis(y, up), series, marks, heat, size: [4.6, 3.5], own_legend: true});
  const known = values => values.flat(Infinity).filter(value => value !== null);
  const least = values => known(values).reduce((a, b) => Math.min(a, b), Infinity);
  const most = values => known(values).reduce((a, b) => Math.max(a, b), -Infinity);

  // a text that stands is not laid out again
  const say = (place, text) => { if (place.textContent !== text) place.textContent = text; };
  function numbers(place, items) {
    // names stand, values change: a screen reader is not sent back to the start
    if (place.children.length !== items.length) place.innerHTML = items.map(() => "<div><dt></dt><dd></dd></div>").join("");
    items.forEach(([name, value], i) => {
      say(place.children[i].firstChild, name);
      say(place.children[i].lastChild, typeof value === "string" ? value : shown(value));
    });
  }

  // ---- Threshold states. What is the same at every α is made once a loss, so that a move draws its marks alone.
  function prepare(grid) {
    const of = (name, column, colour, more = {}) => ({...line, name, x: grid.alpha, y: column, colour, ...more});
    // relative to the most numerous minima: the band is thin beside its energy
    const over = column => column.map((e, k) => e === null || grid.most_numerous[k] === null ? null : e - grid.most_numerous[k]);
    const ends = (columns, share = 0.05) => {
      const [low, high] = [least(columns), most(columns)], room = share * (high - low) || 0.5;
      return [low - room, high + room];
    };
    const cells = grid.joint[0].length * grid.cell, brightest = most(grid.joint);
    Object.assign(grid, {
      energies: [of("threshold, 1RSB", grid.energy, 0), of("ground state, 1RSB", grid.ground_energy, 1, {dash: "dash"})],
      lowest: [of("bulk edge", grid.hessian_edge, 0), of("outlier", grid.hessian_outlier, 1, {style: "lines+markers"})],
      band: [
        of("most numerous minima", over(grid.most_numerous), GREY),
        of("deepest minima, Σ = 0", over(grid.deepest), GREY, {dash: "dash"}),
        of("φ(γ̄) = μ", over(grid.stability), 3, {style: "lines+markers", width: 2}),
        of("threshold, 1RSB", over(grid.energy), 0),
        of("ground state, 1RSB", over(grid.ground_energy), 1, {dash: "dash"}),
      ],
      // one scale of shades for all α
      heats: grid.joint.map(rows => ({name: "probability density", x: [0, cells], y: [0, cells], colour: 0, range: [0, brightest],
        values: rows.map(row => row.map(p => Charts.DARKEST * p / brightest))})),
      diagonal: [{...line, name: "ŷ = y", x: [0, cells], y: [0, cells], colour: GREY, dash: "dot"}],
      // ends of the axes at which every α fits
      ends: {
        alpha: ends(grid.alpha, 0.02),
        energy: [0, 1.05 * most([grid.energy, grid.ground_energy])],
        lowest: ends([grid.hessian_edge, grid.hessian_outlier, 0]),
        law: 1.03 * most([grid.law, grid.conditional]),
        density: 1.05 * most(grid.density),
        before: [least(grid.eigenvalues), most(grid.eigenvalues)],
        after: [least(grid.hessian_eigenvalues), most(grid.hessian_eigenvalues)],
      },
    });
  }
  const law = (grid, i) => panel("Student's label at the threshold", "size of the label, |ŷ|", "probability density", [
    {...line, name: "student, P(ŷ)", x: grid.labels, y: grid.law[i], colour: 0, fill: true},
    {...line, name: "teacher, P(y)", x: grid.labels, y: grid.teacher, colour: INK, dash: "dot"},
    ...grid.given.map((y, k) => ({...line, name: `ŷ given y = ${y}`, x: grid.labels, y: grid.conditional[i][k],
      colour: [2, 1, 3][k], dash: "dash"})),
  ], [], {across: [0, 4], up: [0, grid.ends.law]});
  const joint = (grid, i) => panel("Both labels, P(ŷ, y)", "teacher's |y|", "student's |ŷ|", grid.diagonal, [],
    {across: grid.heats[i].x, up: grid.heats[i].y, heat: grid.heats[i]});
  function hessian(grid, i, before) {
    const edge = (before ? grid.bulk_edge : grid.hessian_edge)[i], out = (before ? grid.outlier : grid.hessian_outlier)[i];
    return panel("Hessian of the threshold state", before ? "eigenvalue of ½ Σ ℓ″ x xᵀ" : "eigenvalue of H (Eq. 4, after −μ)", "density", [
      {...line, name: "bulk", x: (before ? grid.eigenvalues : grid.hessian_eigenvalues)[i], y: grid.density[i], colour: 0, fill: true},
    ], [
      mark("x", edge, "edge", "dash", INK, "right", 0.9),
      ...(out === null ? [] : [mark("x", out, "outlier", "solid", 1, "right", 1)]),
      mark("x", before ? grid.mu[i] : 0, before ? "μ" : "0", "dot", GREY, "left", 0.12),
    ], {across: before ? grid.ends.before : grid.ends.after, up: [0, grid.ends.density]});
  }
  const here = (grid, i) => mark("x", grid.alpha[i], "", "solid", GREY);
  const energy = (grid, i) => panel("Threshold energy", "α = M/N", "energy e = L/N", grid.energies, [
    here(grid, i), mark("y", grid.energy[i], "", "solid", GREY),
    ...[["edge", "edge ", 0.3], ["multiplier", "Eq. 7 ", 0.2], ["unstable", "unstable ", 0.1]]
      .filter(([name]) => grid.readings[name] !== null)
      .map(([name, text, at]) => mark("x", grid.readings[name], text, "dot", 2, name === "unstable" ? "right" : "left", at)),
    ...(grid.random_start === null ? [] : [mark("x", grid.random_start, "start", "dot", 3, "right", 0.95)]),
  ], {across: grid.ends.alpha, up: grid.ends.energy});
  const lowest = (grid, i) => panel("Edge and outlier of the Hessian", "α = M/N", "eigenvalue of H (after −μ)", grid.lowest,
    [mark("y", 0, "", "dot", GREY), here(grid, i)], {across: grid.ends.alpha, up: grid.ends.lowest});
  const band = (grid, i) => panel("The band of marginal minima", "α = M/N", "e − e(most numerous)", grid.band,
    [here(grid, i)], {across: grid.ends.alpha, up: [null, null]});

  // Inconsistencies by the names that `gapless theory state` has for them.
  const flags = (grid, i) => [
    grid.flags[i].below_ground_state && ["below_ground_state", `e = ${shown(grid.energy[i])} lies below the ground state's ${shown(grid.ground_energy[i])}`],
    grid.flags[i].negative_complexity && ["negative_complexity", `Σ = ${shown(grid.complexity[i])} is negative: no such states exist at large N`],
    grid.flags[i].outer_unstable && ["outer_unstable", "overlap 0 between these states is unstable: one step of symmetry breaking is not enough"],
  ].filter(Boolean);
  const verdict = (grid, i) => grid.outlier[i] === null
    ? "No outlier: the lowest eigenvectors of the Hessian have no overlap with the signal."
    : grid.hessian_outlier[i] < 0 ? "The outlier is negative: the threshold state is unstable toward the signal."
    : "The outlier has left the bulk, but it is still positive.";

  const views = [law, joint, hessian, energy, lowest, band];
  let places = null;
  function theory() {
    const {grid, i} = chosen(), before = element("before").checked;
    numbers(element("theory-numbers"), [
      ["energy e", grid.energy[i]], ["ground state e₀", grid.ground_energy[i]], ["complexity Σ", grid.complexity[i]],
      ["most numerous minima", grid.most_numerous[i]], ["their complexity", grid.complexity_most_numerous[i]], ["deepest minima", grid.deepest[i]],
      ["multiplier μ", grid.mu[i]], ["bulk edge, before −μ", grid.bulk_edge[i]], ["outlier, before −μ", grid.outlier[i]],
      ["bulk edge of H", grid.hessian_edge[i]], ["outlier of H", grid.hessian_outlier[i]],
      ["outlier and signal, overlap", grid.outlier_overlap[i]],
      ["α_BBP, edge", grid.readings.edge], ["α_BBP, Eq. 7", grid.readings.multiplier],
      ["α_BBP, unstable", grid.readings.unstable], ["α_BBP, random start", grid.random_start],
    ]);
    element("verdict").textContent = verdict(grid, i);
    element("flags").replaceChildren(...flags(grid, i).map(([name, text]) => {
      const item = document.createElement("li"), code = document.createElement("code");
      code.textContent = name;
      item.append(code, `: ${text}.`);
      return item;
    }));
    const panels = views.map(view => view(grid, i, before));
    if (places) places.forEach((place, k) => Charts.update(place, panels[k]));
    else places = Charts.figure(element("theory"), panels, true);
  }

  // ---- Runs. One choice of labels and N is a group of runs along α; the run of Figure 2 is a group of its own.
  const name = run => run.heat ? "figure-2" : `${run.labels}-${run.n}`;
  const colours = {recovered: 0, trapped: 1, interpolated: 2};
  const groups = new Map();
  for (const run of runs) {
    const key = run.heat ? "figure-2" : `${name(run)} ${run.loss}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const group = () => {
    const value = element("run-choice").value, loss = chosen().grid.loss;
    return groups.get(value) ?? groups.get(`${value} ${loss}`) ?? [];
  };
  const twins = run => run.heat ? null : (groups.get(`${run.labels === "teacher" ? "shuffled" : "teacher"}-${run.n} ${run.loss}`) ?? [])
    .find(other => other.alpha === run.alpha);
  const title = run => run.heat ? `Figure 2, N = ${run.n}` : `${run.labels}, N = ${run.n}`;

  // Curves and axes of a run, made when it is first shown; axes fit the whole group, so that they stand still while α moves.
  function prepareRun(run, all) {
    const curve = (label, y, colour, more = {}) => ({...line, name: label, x: run.t, y, colour, ...more});
    const coloured = (rows, x) => rows.map((y, k) => {
      const outcome = run.outcome[k], legend = outcome === "crossed" ? "the run" : outcome.replace("_", " ");
      return {...line, name: `run ${k + 1}, ${legend}`, legend, x: x ? x[k] : run.t, y, colour: colours[outcome] ?? 3, width: k ? 0.8 : 1.8};
    });
    const other = twins(run), grid = grids.find(one => one.loss === run.loss);
    const nearest = grid ? grid.alpha.reduce((best, a, i, every) => Math.abs(a - run.alpha) < Math.abs(every[best] - run.alpha) ? i : best, 0) : -1;
    // 1RSB's threshold at the α of the run, or nothing where the slider has no such α
    const threshold = grid && Math.abs(grid.alpha[nearest] - run.alpha) < 0.02 ? grid.energy[nearest] : null;
    const plateau = threshold === null ? [] : [mark("y", threshold, "threshold, 1RSB", "dash", GREY)];
    run.made = {
      spread: [1.05 * most(all.map(one => one.density)), least(all.map(one => one.lambda_1)), most(all.map(one => one.bins))],
      top: 1.03 * most(all.map(one => one.energy)),
      plateau: run.heat ? [mark("y", run.threshold_energy, "its twin", "dash", GREY)] : plateau,
      eigenvalues: [curve("λ₁", run.lambda_1, 4), curve("λ₂", run.lambda_2, 2), curve("theory's edge", run.edge, INK, {dash: "dash"})],
      energies: [...coloured(run.energy), ...(other ? other.energy.map((y, k) => curve(`${other.labels} ${k + 1}`, y, GREY,
        {dash: "dot", width: 0.8, legend: other.labels === "shuffled" ? "shuffled labels" : "teacher's labels"})) : [])],
      overlaps: [...coloured(run.overlap), curve("v₁ with the signal", run.overlap_1, 4, {dash: "dashdot"})],
      trails: coloured(run.energy, run.overlap).map(one => ({...one, width: 0.7})),
    };
  }
  const spectrum = (run, f) => {
    const {spread: [top, low, high]} = run.made;
    return panel("Spectrum of H", "eigenvalue λ (Eq. 4)", "density", [
      {...line, name: "eigenvalues", x: run.bins, y: [...run.density[f], 0], colour: 0, steps: true, fill: true},
    ], [
      mark("x", run.lambda_1[f], "λ₁", "solid", 4, "left", 1), mark("x", run.lambda_2[f], "λ₂", "solid", 2, "right", 0.9),
      mark("x", run.edge[f], "edge", "dash", INK, "right", 0.78),
      // room on the left for the name of λ₁
    ], {across: [low - (high - low) / 8, high], up: [0, top]});
  };
  const now = (run, f) => mark("x", run.t[f], "", "solid", GREY);
  const crossing = run => run.heat ? [mark("x", run.time, "", "solid", INK)] : [];
  const span = run => [0, run.t[run.t.length - 1]];
  const eigenvalues = (run, f) => panel(run.heat ? "Lowest eigenvalues; shaded: log density" : "Lowest eigenvalues", "time t", "eigenvalue λ",
    run.made.eigenvalues, [now(run, f), ...crossing(run), mark("y", 0, "", "dot", GREY)],
    {across: span(run), up: run.heat ? run.heat.y : [run.made.spread[1], run.made.spread[2]], heat: run.heat ?? null});
  const energies = (run, f) => panel("Energy", "time t", "energy e = L/N", run.made.energies,
    [now(run, f), ...crossing(run), ...run.made.plateau], {across: span(run), up: [0, run.made.top]});
  const overlaps = (run, f) => panel("Overlap with the signal", "time t", "overlap q", run.made.overlaps,
    [now(run, f), ...crossing(run)], {across: span(run), up: [0, 1.02]});
  const plane = (run, f) => panel("Overlap and energy", "overlap q", "energy e = L/N", [
    ...run.made.trails,
    {...line, name: "now", style: "markers", x: run.overlap.map(row => row[f]), y: run.energy.map(row => row[f]), colour: INK},
  ], run.made.plateau, {across: [0, 1.02], up: [0, run.made.top]});

  const runViews = [spectrum, eigenvalues, energies, overlaps, plane];
  let runPlaces = null, current = null;
  function choose() {
    const all = group(), alpha = chosen().alpha;
    const run = all.reduce((best, one) => !best || Math.abs(one.alpha - alpha) < Math.abs(best.alpha - alpha) ? one : best, null);
    if (run === current) return;
    current = run;
    if (!run.made) prepareRun(run, all);
    element("time").max = run.t.length - 1;
    const ends = [...new Set(run.outcome)].map(end => `${run.outcome.filter(one => one === end).length} ${end.replace("_", " ")}`).join(", ");
    element("run-origin").textContent = run.heat
      ? `The run of Figure 2: ${run.loss} loss, N = ${run.n}, α = ${run.alpha}. It crosses the energy of its shuffled twin at t = ${shown(run.time)}.`
      : `${run.outcome.length} runs with ${run.labels === "teacher" ? "a teacher's" : "shuffled"} labels on one X: ${run.loss} loss, N = ${run.n}, α = ${shown(run.alpha)} `
        + `(the nearest that was followed), seed ${run.seed}; ${ends}. The spectrum is that of the first, drawn bold; dotted are the same starts with the other kind of labels.`;
    time();
  }
  function time() {
    const run = current, f = Math.min(+element("time").value, run.t.length - 1), t = run.t[f];
    element("time-value").textContent = shown(t);
    element("time").setAttribute("aria-valuetext", `t = ${shown(t)}`);
    numbers(element("run-numbers"), [
      ["λ₁", run.lambda_1[f]], ["λ₂", run.lambda_2[f]], ["edge, own labels", run.edge[f]],
      ["energy e", run.energy[0][f]], ["overlap q", run.overlap[0][f]],
      ["v₁ with the signal", run.overlap_1[f]], ["negative eigenvalues", run.negative[f]],
    ]);
    const panels = runViews.map(view => view(run, f));
    if (runPlaces) runPlaces.forEach((place, k) => Charts.update(place, panels[k]));
    else runPlaces = Charts.figure(element("run"), panels, true);
  }

  // ---- Settings: the sliders, and the page's address, which a link restores.
  function chosen() {
    const grid = grids[+element("loss").value], i = +element("alpha").value;
    return {grid, i, alpha: grid.alpha[i]};
  }
  const nearestAlpha = alpha => grids[+element("loss").value].alpha.reduce(
    (best, a, i, all) => Math.abs(a - alpha) < Math.abs(all[best] - alpha) ? i : best, 0);
  let writing = 0;
  function remember() {
    clearTimeout(writing);
    // browsers refuse hundreds of changes in seconds: the address waits for the slider to rest
    writing = setTimeout(() => history.replaceState(null, "", `#${new URLSearchParams({
      loss: chosen().grid.loss, alpha: chosen().alpha, run: element("run-choice").value, frame: element("time").value,
      ...(element("before").checked ? {before: 1} : {}),
    })}`), 150);
  }
  function restore() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const loss = grids.findIndex(grid => grid.loss === wanted.get("loss"));
    if (loss >= 0) element("loss").value = loss;
    element("alpha").max = chosen().grid.alpha.length - 1;
    const alpha = parseFloat(wanted.get("alpha"));
    element("alpha").value = nearestAlpha(Number.isFinite(alpha) ? alpha : 10);
    element("before").checked = wanted.get("before") === "1";
    const choices = [...element("run-choice").options].map(option => option.value);
    element("run-choice").value = choices.includes(wanted.get("run")) ? wanted.get("run")
      : choices.filter(choice => choice.startsWith("teacher")).pop() ?? choices[0] ?? "";
    // the bound of a range cuts its value: it is that of the new run before the value is set
    if (runs.length) choose();
    element("time").value = parseInt(wanted.get("frame"), 10) || 0;
    move();
    if (current) time();
  }
  function move() {
    const {alpha} = chosen();
    element("alpha-value").textContent = alpha;
    element("alpha").setAttribute("aria-valuetext", `α = ${alpha}`);
    theory();
    if (runs.length) choose();
  }

  // ---- Play: one step of a slider at a time, to its end; from there it begins anew.
  const STEP_MS = 80;
  function player(button, slider) {
    let playing = false, last = 0;
    const stop = () => {
      playing = false;
      button.textContent = "▶ Play";
      button.setAttribute("aria-pressed", "false");
    };
    const step = at => {
      if (!playing) return;
      if (at - last >= STEP_MS) {
        // after a late frame the next comes sooner
        last = Math.max(last + STEP_MS, at - STEP_MS);
        if (+slider.value >= +slider.max) return stop();
        slider.value = +slider.value + 1;
        slider.dispatchEvent(new Event("input"));
      }
      requestAnimationFrame(step);
    };
    button.addEventListener("click", () => {
      if (playing) return stop();
      playing = true;
      button.textContent = "⏸ Pause";
      button.setAttribute("aria-pressed", "true");
      if (+slider.value >= +slider.max) slider.value = 0;
      requestAnimationFrame(step);
    });
  }

  if (!grids.length) return;
  grids.forEach(prepare);
  element("loss").replaceChildren(...grids.map((grid, k) => new Option(grid.loss, k)));
  const kinds = new Map(runs.map(run => [name(run), title(run)]));
  element("run-choice").replaceChildren(...[...kinds].map(([value, text]) => new Option(text, value)));
  const listen = (id, kind, act) => element(id).addEventListener(kind, () => { act(); remember(); });
  listen("loss", "change", () => {
    const alpha = +element("alpha-value").textContent;
    element("alpha").max = chosen().grid.alpha.length - 1;
    element("alpha").value = nearestAlpha(alpha);
    move();
  });
  listen("alpha", "input", move);
  listen("before", "change", theory);
  listen("run-choice", "change", choose);
  listen("time", "input", time);
  player(element("play-alpha"), element("alpha"));
  player(element("play-time"), element("time"));
  addEventListener("hashchange", restore);
  restore();
})();
