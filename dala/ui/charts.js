// The threshold lab's charts and table, in the map view's script: they follow its repaints, and like it hold no rule and
// no statistics. props.value.charts: {key, plain, top, zero, bins, kept: [[tau, area]], stops: [tau or null]}.
// Curves come as a "curve" event on .charts: {run, done, total}, {run, failed}, or {run, baseline, runs, areas, curves}.
(() => {
const SVG = 'http://www.w3.org/2000/svg';
const PLOT = {height: 150, left: 46, right: 14, top: 10, bottom: 24};
const clip = `clip-${SETTINGS.uid}`, BASELINES = SETTINGS.charts.baselines;
const root = document.createElement('section');
let data = null, curves = null, shown = null, run = 0, active = false;

const percent = share => `${(100 * share).toFixed(1)} %`;
const chance = value => value === null ? '–' : value.toFixed(3);
const inside = f => Math.min(1, Math.max(0, f));

function draw(name, parent, attributes = {}, text = '') {
  const node = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

// On the straight line between two neighbours; xs rise.
function between(x, xs, ys) {
  const found = xs.findIndex(v => v >= x), i = found < 0 ? xs.length - 1 : Math.max(1, found);
  return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
}

function chart(title, meaning) {
  const figure = make('figure', root), line = make('div', figure, {className: 'title'});
  make('h3', line, {textContent: title});
  const value = make('output', line), told = make('p', figure, {className: 'meaning-of', textContent: meaning});
  const svg = draw('svg', figure, {role: 'img', height: PLOT.height});
  return {title, svg, value, told};
}

root.className = 'charts';
words.after(root);
const histogram = chart('Histogram', 'how much of the area has which value; τ is the value from which on the map is shown');
const kept = chart('Kept area', 'the share of the picture that lies at or above τ');
const keep = chart('Keep-only', ''), remove = chart('Remove-only', '');
const all = [histogram, kept, keep, remove];

const bar = make('div', root, {className: 'measure'});
const choice = make('label', bar, {textContent: 'hidden pixels become '});
const baseline = make('select', choice, {className: 'baseline'});
for (const [name, label] of Object.entries(BASELINES)) make('option', baseline, {value: name, textContent: label});
baseline.value = SETTINGS.charts.baseline;
const line = make('label', bar), controls = make('input', line, {type: 'checkbox', className: 'beside'});
line.append('beside a random map and a centred one (takes three times as long)');
const go = make('button', bar, {type: 'button', className: 'go', textContent: 'measure'});
const halt = make('button', bar, {type: 'button', className: 'halt', textContent: 'stop', hidden: true});
const progress = make('progress', bar, {max: 1, hidden: true}), count = make('span', bar, {className: 'count'});
progress.setAttribute('aria-label', 'pictures measured');
const axis = make('fieldset', root, {className: 'axis'});
make('legend', axis, {textContent: 'drawn against'});
const against = ['kept area', 'τ'].map((label, i) => {
  const choose = make('label', axis);
  const input = make('input', choose, {type: 'radio', name: `axis-${SETTINGS.uid}`, checked: i === 0});
  choose.append(label);
  return input;
});
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

// The axes of a chart, and where a fraction of each lies in pixels.
function frame(c, across, up) {
  const width = Math.max(160, c.svg.clientWidth), right = width - PLOT.right, low = PLOT.height - PLOT.bottom;
  c.x = f => PLOT.left + f * (right - PLOT.left);
  c.y = f => low + f * (PLOT.top - low);
  c.svg.replaceChildren();
  c.svg.setAttribute('viewBox', `0 0 ${width} ${PLOT.height}`);
  for (const [f, label] of up) {
    draw('line', c.svg, {class: 'grid', x1: PLOT.left, x2: right, y1: c.y(f), y2: c.y(f)});
    draw('text', c.svg, {x: PLOT.left - 6, y: c.y(f) + 4, 'text-anchor': 'end'}, label);
  }
  across.forEach(([f, label], i) => {
    const anchor = ['start', 'middle', 'end'][i];
    draw('text', c.svg, {x: c.x(f), y: PLOT.height - 6, 'text-anchor': anchor}, label);
  });
}

function mark(c, dot) {
  c.mark = draw('line', c.svg, {class: 'mark', y1: c.y(0), y2: c.y(1)});
  c.dot = dot ? draw('circle', c.svg, {class: 'dot', r: 5}) : null;
}

function path(c, points) {
  return points.map(([x, y], i) => `${i ? 'L' : 'M'}${c.x(x).toFixed(1)} ${c.y(y).toFixed(1)}`).join('');
}

const byTau = () => [0, 0.5, 1].map(f => [f, f ? number(f * data.top, data.top) : '0']);
const byShare = () => [0, 0.5, 1].map(f => [f, `${100 * f} %`]);

function drawHistogram() {
  const {bins, zero} = data, most = Math.max(...bins) || 1, n = bins.length;
  frame(histogram, byTau(), [[0, '0'], [1, percent(most)]]);
  const {svg, x, y} = histogram;
  const d = bins.map((share, i) => `M${x(i / n)} ${y(0)}V${y(share / most)}H${x((i + 1) / n)}V${y(0)}Z`).join('');
  draw('path', svg, {class: 'bars', d});
  draw('path', svg, {class: 'bars lit', d, 'clip-path': `url(#${clip})`});
  histogram.lit = draw('rect', draw('clipPath', svg, {id: clip}), {y: 0, height: PLOT.height, width: svg.clientWidth});
  draw('text', svg, {x: x(1), y: y(1) + 14, 'text-anchor': 'end'}, `zero: ${percent(zero)} of the area`);
  mark(histogram, false);
}

function drawKept() {
  frame(kept, byTau(), byShare());
  draw('path', kept.svg, {class: 'curve own', d: path(kept, data.kept.map(([tau, area]) => [tau / (data.top || 1), area]))});
  mark(kept, true);
}

// What was measured, and the line through it, as fractions of the axes.
function points(values) {
  const {areas} = curves, {kept: steps, stops, top} = data;
  if (!against[1].checked) return {line: areas.map((area, i) => [area, values[i]]), dots: areas.map((area, i) => [area, values[i]])};
  return {
    line: steps.map(([tau, area]) => [tau / top, between(area, areas, values)]),
    dots: areas.map((area, i) => [area === 0 ? 1 : stops[i] / top, values[i]]).filter((_, i) => areas[i] === 0 || stops[i] !== null),
  };
}

function drawChance(c, side) {
  frame(c, against[1].checked ? byTau() : byShare(), [[0, '0'], [0.5, '0.5'], [1, '1']]);
  if (!curves) {
    draw('text', c.svg, {class: 'empty', x: c.x(0.5), y: c.y(0.5), 'text-anchor': 'middle'}, data.top > 0 ? 'not measured yet' : 'nothing to keep');
    mark(c, false);
    return;
  }
  draw('line', c.svg, {class: 'whole', x1: c.x(0), x2: c.x(1), y1: c.y(data.plain), y2: c.y(data.plain)});
  curves.curves.map((curve, i) => [curve[side], i]).reverse().forEach(([values, i]) => {
    const {line: through, dots} = points(values), look = i ? `control-${i}` : 'own';
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

function redraw() {
  if (!data || !root.clientWidth) return;
  drawHistogram();
  drawKept();
  drawChance(keep, 'keep');
  drawChance(remove, 'remove');
  legend.replaceChildren();
  if (curves) {
    curves.curves.forEach(({title}, i) => swatch(`curve ${i ? `control-${i}` : 'own'}`, title));
    swatch('whole', `whole picture: ${chance(data.plain)}`);
  }
  move();
}

function row(name) {
  const [value, tau, area] = view.maps[0].tables[name][positions[name]], {parameter} = RULES[name];
  const said = curves ? ['keep', 'remove'].map(side => between(area, curves.areas, curves.curves[0][side])) : [null, null];
  return {strength: parameter ? `${parameter} = ${value.toFixed(2)}` : '–', tau, area, keep: said[0], remove: said[1]};
}

function place(c, f, height) {
  c.mark.setAttribute('x1', c.x(f));
  c.mark.setAttribute('x2', c.x(f));
  if (c.dot) {
    c.dot.setAttribute('cx', c.x(f));
    c.dot.setAttribute('cy', c.y(height));
  }
}

function move() {
  if (!data || !view || !histogram.mark) return;
  for (const name of Object.keys(RULES)) {
    const {strength: value, tau, area, ...said} = row(name);
    [value, number(tau, data.top), percent(area), chance(said.keep), chance(said.remove)].forEach((text, i) => { cells[name][i].textContent = text; });
    lines[name].ariaCurrent = String(name === rule);
  }
  const {tau, area, ...said} = row(rule), f = data.top > 0 ? inside(tau / data.top) : 0, at = against[1].checked ? f : area;
  place(histogram, f);
  place(kept, f, area);
  place(keep, at, said.keep);
  place(remove, at, said.remove);
  histogram.lit.setAttribute('x', tau > 0 ? histogram.x(f) : 0);
  const told = [`τ = ${number(tau, data.top)}`, percent(area), chance(said.keep), chance(said.remove)];
  all.forEach((c, i) => { c.value.textContent = told[i]; });
  const where = `${told[0]} keeps ${told[1]} of the area`;
  histogram.svg.setAttribute('aria-label', `Histogram of the map from 0 to ${number(data.top, data.top)}; ${percent(data.zero)} of the area is zero; ${where}.`);
  kept.svg.setAttribute('aria-label', `Kept area falls as τ rises; ${where}.`);
  [keep, remove].forEach((c, i) => {
    const measured = curves ? `${told[2 + i]} where ${where}; ${chance(data.plain)} for the whole picture` : 'not measured yet';
    c.svg.setAttribute('aria-label', `${c.title}: probability of ${view.words}, ${measured}.`);
  });
}

function settle(busy) {
  active = busy;
  go.disabled = busy || !data || !(data.top > 0);
  go.hidden = busy;
  halt.hidden = progress.hidden = !busy;
  progress.removeAttribute('value');
  count.textContent = busy ? 'waiting for the network' : '';
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
    keep.told.textContent = `probability of ${view.words} when all but the kept region is hidden`;
    remove.told.textContent = `probability of ${view.words} when the kept region is hidden and the rest shown`;
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
    note.textContent = `Dots: measured at ${told.areas.length} kept areas, with ${told.runs} pictures shown to the network. `
      + `Lines between them: interpolated. Hidden pixels: ${BASELINES[told.baseline]}.`;
    redraw();
  }
});
go.addEventListener('click', () => {
  settle(true);
  halt.focus();
  trigger('measure', {baseline: baseline.value, controls: controls.checked, run: ++run});
});
halt.addEventListener('click', () => { stop(); go.focus(); });
axis.addEventListener('change', redraw);
new ResizeObserver(redraw).observe(root);
followers.push(() => {
  if (view === shown) return move();
  shown = view;
  take();
});
watch('value', () => { if (!props.value) take(); });
settle(false);
})();
