// The threshold lab's charts and table, in the map view's script: they follow its repaints, and like it hold no rule and
// no statistics. props.value.charts: {key, plain, top, zero, bins, kept: [[tau, area]], stops: [tau or null]}.
// Curves come as a "curve" event on .charts: {run, done, total}, {run, failed}, or {run, baseline, runs, areas, curves}.
// What the network says is told on two scales, SETTINGS.charts.scales: plain has a value for each, a curve [keep, remove].
(() => {
const {draw, between, frame, path, mark, place} = plot;
const clip = `clip-${SETTINGS.uid}`, BASELINES = SETTINGS.charts.baselines;
const root = document.createElement('section');
let data = null, curves = null, shown = null, run = 0, active = false;

const percent = share => `${(100 * share).toFixed(1)} %`;
const said = value => value === null ? '–' : scale() === 'probability' ? value.toFixed(3) : signed(value);
const signed = value => `${value > 0 ? '+' : ''}${value.toFixed(2)}`.replace('-', '−').replace(/^[+−]0\.00$/, '0.00');
const range = values => Math.max(...values) - Math.min(...values);
const inside = f => Math.min(1, Math.max(0, f));

root.className = 'charts';
words.after(root);
const histogram = plot.chart(root, 'Histogram', 'how much of the area has which value; τ is the value from which on the map is shown');
const kept = plot.chart(root, 'Kept area', 'the share of the picture that lies at or above τ');
const keep = plot.chart(root, 'Keep-only', ''), remove = plot.chart(root, 'Remove-only', '');
const all = [histogram, kept, keep, remove];

const bar = make('div', root, {className: 'measure'});
const choice = make('label', bar, {textContent: 'hidden pixels become '});
const baseline = make('select', choice, {className: 'baseline'});
for (const [name, label] of Object.entries(BASELINES)) make('option', baseline, {value: name, textContent: label});
baseline.value = SETTINGS.charts.baseline;
const line = make('label', bar), controls = make('input', line, {type: 'checkbox', className: 'beside'});
line.append('with a random and a centred map (three times as long)');
const go = make('button', bar, {type: 'button', className: 'go', textContent: 'measure'});
const halt = make('button', bar, {type: 'button', className: 'halt', textContent: 'stop', hidden: true});
const progress = make('progress', bar, {max: 1, hidden: true}), count = make('span', bar, {className: 'count'});
progress.setAttribute('aria-label', 'pictures measured');
const switches = make('div', root, {className: 'switches'});
const scales = choose('drawn as', SETTINGS.charts.scales), axis = choose('drawn against', {area: 'kept area', tau: 'τ'});
const scale = () => Object.keys(scales).find(name => scales[name].checked);
const legend = make('p', root, {className: 'legend'}), note = make('p', root, {className: 'note'});
note.setAttribute('role', 'status');

const table = make('table', root), cells = {}, lines = {};
make('caption', table, {textContent: 'The rules side by side, each at the strength where you left it'});
const head = make('tr', make('thead', table)), body = make('tbody', table);
for (const name of ['rule', 'strength', 'τ', 'kept area', 'keep-only', 'remove-only']) make('th', head, {textContent: name, scope: 'col'});
for (const [name, {label}] of Object.entries(RULES)) {
  lines[name] = make('tr', body);
  make('th', lines[name], {textContent: label, scope: 'row'});
  cells[name] = Array.from({length: 5}, () => make('td', lines[name], {textContent: '–'}));
}

const byTau = () => [0, 0.5, 1].map(f => [f, f ? number(f * data.top, data.top) : '0']);
const byShare = () => [0, 0.5, 1].map(f => [f, `${100 * f} %`]);

function drawHistogram() {
  const {bins, zero} = data, {svg} = histogram;
  frame(histogram, byTau(), [[0, '0'], [1, percent(Math.max(...bins) || 1)]]);
  plot.bars(histogram, bins, clip);
  draw('text', svg, {x: histogram.x(1), y: histogram.y(1) + 14, 'text-anchor': 'end'}, `zero: ${percent(zero)} of the area`);
  mark(histogram, false);
}

function drawKept() {
  frame(kept, byTau(), byShare());
  draw('path', kept.svg, {class: 'curve own', d: path(kept, data.kept.map(([tau, area]) => [tau / (data.top || 1), area]))});
  mark(kept, true);
}

// Radio buttons by name, the first one chosen.
function choose(title, labels) {
  const field = make('fieldset', switches), inputs = {};
  make('legend', field, {textContent: title});
  Object.entries(labels).forEach(([name, label], i) => {
    const line = make('label', field);
    inputs[name] = make('input', line, {type: 'radio', name: `${title}-${SETTINGS.uid}`, value: name, checked: i === 0});
    line.append(label);
  });
  return inputs;
}

// What was measured, and the line through it, as fractions of the axes.
function points(values) {
  const {areas} = curves, {kept: steps, stops, top} = data;
  if (!axis.tau.checked) return {line: areas.map((area, i) => [area, values[i]]), dots: areas.map((area, i) => [area, values[i]])};
  return {
    line: steps.map(([tau, area]) => [tau / top, between(area, areas, values)]),
    dots: areas.map((area, i) => [area === 0 ? 1 : stops[i] / top, values[i]]).filter((_, i) => areas[i] === 0 || stops[i] !== null),
  };
}

// The ends of the upright axis of what the network says, the same for both charts.
function ends() {
  if (scale() === 'probability' || !curves) return [0, 1];
  const values = curves.curves.flatMap(curve => curve.margin.flat()).concat(0, data.plain.margin);
  return [Math.floor(Math.min(...values)), Math.ceil(Math.max(...values))];
}

const upright = value => { const [low, high] = ends(); return (value - low) / ((high - low) || 1); };

function drawSaid(c, side) {
  const [low, high] = ends(), ticks = scale() === 'probability' ? [0, 0.5, 1] : [...new Set([low, 0, high])];
  const label = scale() === 'probability' ? String : value => signed(value).replace('.00', '');
  frame(c, axis.tau.checked ? byTau() : byShare(), ticks.map(value => [upright(value), label(value)]));
  if (!curves) {
    draw('text', c.svg, {class: 'empty', x: c.x(0.5), y: c.y(0.5), 'text-anchor': 'middle'}, data.top > 0 ? 'not measured yet' : 'nothing to keep');
    mark(c, false);
    return;
  }
  const whole = c.y(upright(data.plain[scale()]));
  draw('line', c.svg, {class: 'whole', x1: c.x(0), x2: c.x(1), y1: whole, y2: whole});
  curves.curves.map((curve, i) => [curve[scale()][side], i]).reverse().forEach(([values, i]) => {
    const {line: through, dots} = points(values.map(upright)), look = i ? `control-${i}` : 'own';
    draw('path', c.svg, {class: `curve ${look}`, d: path(c, through)});
    for (const [x, y] of dots) draw('circle', c.svg, {class: `measured ${look}`, cx: c.x(x), cy: c.y(y), r: i ? 2 : 3});
  });
  mark(c, true);
}

function swatch(look, text) {
  const item = make('span', legend);
  draw('line', draw('svg', item, {width: 28, height: 10, 'aria-hidden': 'true'}), {class: look, x1: 0, x2: 28, y1: 5, y2: 5});
  item.append(text);
}

// How the curves came about; and where one scale shows nothing, that the other one might.
function explainCurves() {
  const {areas, runs, baseline: hidden, curves: [own]} = curves, flat = range(own.probability.flat()) < 0.1;
  note.textContent = `Dots: measured at ${areas.length} kept areas, with ${runs} pictures shown to the network. `
    + `Lines between them: interpolated. Hidden pixels: ${BASELINES[hidden]}.`
    + (flat && scale() === 'probability' ? ' The probability hardly moves: draw the logit margin instead.' : '');
}

function redraw() {
  if (!data || !root.clientWidth) return;
  drawHistogram();
  drawKept();
  drawSaid(keep, 0);
  drawSaid(remove, 1);
  const what = scale() === 'probability' ? `probability of ${view.words}` : `logit of ${view.words} less the largest other one`;
  keep.told.textContent = `${what} when all but the kept region is hidden`;
  remove.told.textContent = `${what} when the kept region is hidden and the rest shown`;
  legend.replaceChildren();
  if (curves) {
    curves.curves.forEach(({title}, i) => swatch(`curve ${i ? `control-${i}` : 'own'}`, title));
    swatch('whole', `whole picture: ${said(data.plain[scale()])}`);
    explainCurves();
  }
  move();
}

function row(name) {
  const [value, tau, area] = view.maps[0].tables[name][positions[name]], {parameter} = RULES[name];
  const [kept, left] = curves ? curves.curves[0][scale()].map(side => between(area, curves.areas, side)) : [null, null];
  return {strength: parameter ? `${parameter} = ${value.toFixed(2)}` : '–', tau, area, kept, left};
}

function move() {
  if (!data || !view || !histogram.mark) return;
  for (const name of Object.keys(RULES)) {
    const {strength: value, tau, area, kept, left} = row(name);
    [value, number(tau, data.top), percent(area), said(kept), said(left)].forEach((text, i) => { cells[name][i].textContent = text; });
    lines[name].ariaCurrent = String(name === rule);
  }
  const {tau, area, kept: shown, left} = row(rule), f = data.top > 0 ? inside(tau / data.top) : 0, at = axis.tau.checked ? f : area;
  place(histogram, f);
  place(kept, f, area);
  place(keep, at, upright(shown));
  place(remove, at, upright(left));
  histogram.lit.setAttribute('x', tau > 0 ? histogram.x(f) : 0);
  const told = [`τ = ${number(tau, data.top)}`, percent(area), said(shown), said(left)];
  all.forEach((c, i) => { c.value.textContent = told[i]; });
  const where = `${told[0]} keeps ${told[1]} of the area`;
  histogram.svg.setAttribute('aria-label', `Histogram of the map from 0 to ${number(data.top, data.top)}; ${percent(data.zero)} of the area is zero; ${where}.`);
  kept.svg.setAttribute('aria-label', `Kept area falls as τ rises; ${where}.`);
  [keep, remove].forEach((c, i) => {
    const measured = curves ? `${told[2 + i]} where ${where}; ${said(data.plain[scale()])} for the whole picture` : 'not measured yet';
    c.svg.setAttribute('aria-label', `${c.title}: ${SETTINGS.charts.scales[scale()]} of ${view.words}, ${measured}.`);
  });
}

function settle(busy) {
  const held = document.activeElement === halt;
  active = busy;
  go.disabled = busy || !data || !(data.top > 0);
  go.hidden = busy;
  halt.hidden = progress.hidden = !busy;
  progress.removeAttribute('value');
  count.textContent = busy ? 'waiting for the network' : '';
  // A button that hides would take the keyboard's place on the page with it.
  if (held && !busy) go.focus();
}

function stop() {
  run++;
  trigger('stop', {});
  settle(false);
}

function take() {
  const sent = props.value?.charts;
  if (active) stop();
  if (!sent) {
    data = curves = shown = null;
    note.textContent = '';
    all.forEach(c => { c.svg.replaceChildren(); c.value.textContent = ''; });
    legend.replaceChildren();
    Object.values(cells).flat().forEach(cell => { cell.textContent = '–'; });
  } else {
    if (sent.key !== data?.key) { curves = null; note.textContent = ''; }
    data = JSON.parse(JSON.stringify(sent));
  }
  settle(false);
  redraw();
}

root.addEventListener('curve', ({detail}) => {
  const told = detail ? JSON.parse(detail) : {};
  if (told.run !== run || !active) return;
  if (told.total) {
    progress.value = told.done / told.total;
    count.textContent = `${told.done} of ${told.total} pictures`;
  } else {
    settle(false);
    if (told.failed) return;
    curves = told;
    redraw();
  }
});
go.addEventListener('click', () => {
  settle(true);
  halt.focus();
  trigger('measure', {baseline: baseline.value, controls: controls.checked, run: ++run});
});
halt.addEventListener('click', stop);
switches.addEventListener('change', redraw);
extras.scale = scale;
new ResizeObserver(redraw).observe(root);
followers.push(() => {
  if (view === shown) return move();
  shown = view;
  take();
});
watch('value', () => { if (!props.value) take(); });
settle(false);
})();
