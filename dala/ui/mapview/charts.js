// The threshold lab's four charts and its table of rules. They follow the viewer's repaints and, like it, hold no rule
// and no statistics.
//
// props.value.charts: {key, plain, top, zero, bins, kept: [[tau, area]], stops: [tau or null]}.
// lab.curves, measured on demand (measure.js): {baseline, runs, areas, curves: [{title, probability, margin}]}.
// The network's output has two scales, settings.charts.scales: plain has a value for each, a curve [keep, remove].
(dala => {
'use strict';

const COLUMNS = ['rule', 'strength', 'τ', 'kept area', 'keep-only', 'remove-only'];

const percent = share => `${(100 * share).toFixed(1)} %`;
const signed = value =>
  `${value > 0 ? '+' : ''}${value.toFixed(2)}`.replace('-', '−').replace(/^[+−]0\.00$/, '0.00');
const range = values => Math.max(...values) - Math.min(...values);
const inside = f => Math.min(1, Math.max(0, f));
const byShare = () => [0, 0.5, 1].map(f => [f, `${100 * f} %`]);
const byTau = ({data: {top}}) => [0, 0.5, 1].map(f => [f, f ? dala.mapview.number(f * top, top) : '0']);

const scale = ({scales}) => Object.keys(scales).find(name => scales[name].checked);
const output = (lab, value) => value === null ? '–' : scale(lab) === 'probability' ? value.toFixed(3) : signed(value);

// Radio buttons by name, the first one chosen.
function choose(viewer, parent, title, labels) {
  const {make} = dala.mapview, field = make('fieldset', parent), inputs = {};
  make('legend', field, {textContent: title});
  Object.entries(labels).forEach(([value, label], i) => {
    const line = make('label', field), name = `${title}-${viewer.settings.uid}`;
    inputs[value] = make('input', line, {type: 'radio', name, value, checked: i === 0});
    line.append(label);
  });
  return inputs;
}

function buildTable({settings}, root) {
  const {make} = dala.mapview, table = make('table', root), cells = {}, lines = {};
  make('caption', table, {textContent: 'The rules side by side, each at the strength where you left it'});
  const head = make('tr', make('thead', table)), body = make('tbody', table);
  for (const name of COLUMNS) make('th', head, {textContent: name, scope: 'col'});
  for (const [name, {label}] of Object.entries(settings.rules)) {
    lines[name] = make('tr', body);
    make('th', lines[name], {textContent: label, scope: 'row'});
    cells[name] = Array.from({length: COLUMNS.length - 1}, () => make('td', lines[name], {textContent: '–'}));
  }
  return {cells, lines};
}

function build(viewer) {
  const {make} = dala.mapview, {plot} = dala, root = document.createElement('section');
  root.className = 'charts';
  viewer.parts.words.after(root);
  const histogram = plot.chart(root, 'Histogram',
    'how much of the area has which value; τ is the value from which on the map is shown');
  const kept = plot.chart(root, 'Kept area', 'the share of the picture that is at or above τ');
  const keep = plot.chart(root, 'Keep-only', ''), remove = plot.chart(root, 'Remove-only', '');
  const bar = make('div', root, {className: 'measure'}), switches = make('div', root, {className: 'switches'});
  const scales = choose(viewer, switches, 'drawn as', viewer.settings.charts.scales);
  const axis = choose(viewer, switches, 'drawn against', {area: 'kept area', tau: 'τ'});
  const legend = make('p', root, {className: 'legend'}), note = make('p', root, {className: 'note'});
  note.setAttribute('role', 'status');
  return {
    viewer, root, histogram, kept, keep, remove, all: [histogram, kept, keep, remove], bar, switches, scales, axis,
    legend, note, ...buildTable(viewer, root), data: null, curves: null,
  };
}

function drawHistogram(lab) {
  const {histogram, data: {bins, zero}, viewer} = lab, {plot} = dala;
  plot.frame(histogram, byTau(lab), [[0, '0'], [1, percent(Math.max(...bins) || 1)]]);
  plot.bars(histogram, bins, `clip-${viewer.settings.uid}`);
  const at = {x: histogram.x(1), y: histogram.y(1) + 14, 'text-anchor': 'end'};
  plot.draw('text', histogram.svg, at, `zero: ${percent(zero)} of the area`);
  plot.mark(histogram, false);
}

function drawKept(lab) {
  const {kept, data} = lab, {plot} = dala, line = data.kept.map(([tau, area]) => [tau / (data.top || 1), area]);
  plot.frame(kept, byTau(lab), byShare());
  plot.draw('path', kept.svg, {class: 'curve own', d: plot.path(kept, line)});
  plot.mark(kept, true);
}

// The measured points of a curve and the line through them, as fractions of the axes.
function points({curves: {areas}, data: {kept, stops, top}, axis}, values) {
  const measured = areas.map((area, i) => [area, values[i]]);
  if (!axis.tau.checked) return {line: measured, dots: measured};
  return {
    line: kept.map(([tau, area]) => [tau / top, dala.plot.between(area, areas, values)]),
    dots: areas.map((area, i) => [area === 0 ? 1 : stops[i] / top, values[i]])
      .filter((_, i) => areas[i] === 0 || stops[i] !== null),
  };
}

// The ends of the vertical axis of the network's output, the same for both charts.
function ends(lab) {
  if (scale(lab) === 'probability' || !lab.curves) return [0, 1];
  const values = lab.curves.curves.flatMap(curve => curve.margin.flat()).concat(0, lab.data.plain.margin);
  return [Math.floor(Math.min(...values)), Math.ceil(Math.max(...values))];
}

function upright(lab, value) {
  const [low, high] = ends(lab);
  return (value - low) / ((high - low) || 1);
}

// Keep-only (side 0) or remove-only (side 1).
function drawOutput(lab, c, side) {
  const {plot} = dala, {curves, data, axis} = lab, [low, high] = ends(lab);
  const asProbability = scale(lab) === 'probability';
  const ticks = asProbability ? [0, 0.5, 1] : [...new Set([low, 0, high])];
  const label = asProbability ? String : value => signed(value).replace('.00', '');
  plot.frame(c, axis.tau.checked ? byTau(lab) : byShare(), ticks.map(value => [upright(lab, value), label(value)]));
  if (!curves) {
    const text = data.top > 0 ? 'not measured yet' : 'nothing to keep';
    plot.draw('text', c.svg, {class: 'empty', x: c.x(0.5), y: c.y(0.5), 'text-anchor': 'middle'}, text);
    plot.mark(c, false);
    return;
  }
  const whole = c.y(upright(lab, data.plain[scale(lab)]));
  plot.draw('line', c.svg, {class: 'whole', x1: c.x(0), x2: c.x(1), y1: whole, y2: whole});
  curves.curves.map((curve, i) => [curve[scale(lab)][side], i]).reverse().forEach(([values, i]) => {
    const {line, dots} = points(lab, values.map(value => upright(lab, value))), look = i ? `control-${i}` : 'own';
    plot.draw('path', c.svg, {class: `curve ${look}`, d: plot.path(c, line)});
    for (const [x, y] of dots) {
      plot.draw('circle', c.svg, {class: `measured ${look}`, cx: c.x(x), cy: c.y(y), r: i ? 2 : 3});
    }
  });
  plot.mark(c, true);
}

function swatch(legend, look, text) {
  const {draw} = dala.plot, item = dala.mapview.make('span', legend);
  const svg = draw('svg', item, {width: 28, height: 10, 'aria-hidden': 'true'});
  draw('line', svg, {class: look, x1: 0, x2: 28, y1: 5, y2: 5});
  item.append(text);
}

// The legend, and how the curves were measured; where the probability hardly moves, a hint to the other scale.
function drawLegend(lab) {
  const {legend, note, curves, data, viewer: {settings}} = lab;
  legend.replaceChildren();
  if (!curves) return;
  curves.curves.forEach(({title}, i) => swatch(legend, `curve ${i ? `control-${i}` : 'own'}`, title));
  swatch(legend, 'whole', `whole picture: ${output(lab, data.plain[scale(lab)])}`);
  const {areas, runs, baseline, curves: [own]} = curves, flat = range(own.probability.flat()) < 0.1;
  note.textContent = `Dots: measured at ${areas.length} kept areas, with ${runs} pictures shown to the network. `
    + `Lines between them: interpolated. Hidden pixels: ${settings.charts.baselines[baseline]}.`
    + (flat && scale(lab) === 'probability' ? ' The probability hardly moves: draw the logit margin instead.' : '');
}

function redraw(lab) {
  const {data, root, keep, remove, viewer: {scene}} = lab;
  if (!data || !root.clientWidth) return;
  drawHistogram(lab);
  drawKept(lab);
  drawOutput(lab, keep, 0);
  drawOutput(lab, remove, 1);
  const what = scale(lab) === 'probability'
    ? `probability of ${scene.words}` : `logit of ${scene.words} less the largest other one`;
  keep.meaning.textContent = `${what} when all but the kept region is hidden`;
  remove.meaning.textContent = `${what} when the kept region is hidden and the rest shown`;
  drawLegend(lab);
  move(lab);
}

// The numbers of one rule at its strength; keep and remove are null where nothing was measured.
function row({viewer: {settings, scene, positions}, curves, scales}, name) {
  const [value, tau, area] = scene.maps[0].tables[name][positions[name]], {parameter} = settings.rules[name];
  const [keep, remove] = curves
    ? curves.curves[0][scale({scales})].map(side => dala.plot.between(area, curves.areas, side)) : [null, null];
  return {strength: parameter ? `${parameter} = ${value.toFixed(2)}` : '–', tau, area, keep, remove};
}

// Moves the threshold's marks and rewrites the numbers.
function move(lab) {
  const {viewer: {settings, scene, rule}, data, histogram, kept, keep, remove, axis, cells, lines} = lab;
  if (!data || !scene || !histogram.mark) return;
  const numbers = ({tau, area, keep, remove}) =>
    [dala.mapview.number(tau, data.top), percent(area), output(lab, keep), output(lab, remove)];
  for (const name of Object.keys(settings.rules)) {
    const values = row(lab, name), texts = [values.strength, ...numbers(values)];
    texts.forEach((text, i) => { cells[name][i].textContent = text; });
    lines[name].ariaCurrent = String(name === rule);
  }
  const values = row(lab, rule), f = data.top > 0 ? inside(values.tau / data.top) : 0;
  const at = axis.tau.checked ? f : values.area, {place} = dala.plot;
  place(histogram, f);
  place(kept, f, values.area);
  place(keep, at, upright(lab, values.keep));
  place(remove, at, upright(lab, values.remove));
  histogram.lit.setAttribute('x', values.tau > 0 ? histogram.x(f) : 0);
  const [tau, ...rest] = numbers(values), texts = [`τ = ${tau}`, ...rest];
  lab.all.forEach((c, i) => { c.value.textContent = texts[i]; });
  label(lab, texts);
}

// Alternative texts for screen readers.
function label(lab, [tau, area, ...outputs]) {
  const {viewer: {settings, scene}, data, curves, histogram, kept, keep, remove} = lab;
  const where = `${tau} keeps ${area} of the area`, most = dala.mapview.number(data.top, data.top);
  const zero = `${percent(data.zero)} of the area is zero`;
  histogram.svg.setAttribute('aria-label', `Histogram of the map from 0 to ${most}; ${zero}; ${where}.`);
  kept.svg.setAttribute('aria-label', `Kept area falls as τ rises; ${where}.`);
  [keep, remove].forEach((c, i) => {
    const whole = output(lab, data.plain[scale(lab)]);
    const measured = curves ? `${outputs[i]} where ${where}; ${whole} for the whole picture` : 'not measured yet';
    const what = `${settings.charts.scales[scale(lab)]} of ${scene.words}`;
    c.svg.setAttribute('aria-label', `${c.title}: ${what}, ${measured}.`);
  });
}

function clear({all, legend, note, cells}) {
  note.textContent = '';
  all.forEach(c => { c.svg.replaceChildren(); c.value.textContent = ''; });
  legend.replaceChildren();
  Object.values(cells).flat().forEach(cell => { cell.textContent = '–'; });
}

dala.charts = {build, clear, move, redraw, scale};
})(globalThis.dala ??= {});
