// The map view: draws what Python sent. Rules and statistics stay in Python.
//
// `create` returns a viewer, the state that the other scripts share:
//   host      {element, props, trigger, watch}, from Gradio
//   settings  from Python, constant; settings.together: panels are compared, and one switch thresholds them all
//   parts     the elements of mapview.html
//   scene     what is drawn, decoded from props.value; null where there is nothing
//   rule, positions   the chosen threshold rule; for every rule the position of its slider
//   onPaint, onShow   functions called after every repaint, after every new value
//   extras    functions by name, whose results a download event carries
//
// props.value: {picture, words, evidence, layer, maps: [{title, raw, grid, max, place, tables, cells}],
// panels: [{title, note, map, kept}], notes, planted}, or null. The picture is an address, which all map views share;
// frame.js reads the last two. A table's rows are [strength, tau, kept area].
// props is a proxy: read it once per value, never in a loop.
(dala => {
'use strict';

const PARTS = {
  panels: '.panels', rules: '.rules', strength: '.strength input', strengthName: '.strength .name',
  strengthValue: '.strength output', meaning: '.meaning', words: '.words', live: '.live', opacity: '.opacity',
  palette: '.palette', look: '.look', download: '.download', link: '.link', together: '.together',
  cutAll: '.cut-all', level: '.level', shared: '.shared', wipe: '.wipe', notes: '.notes', whole: '.whole',
  address: '.address',
};

// Instead of a strength, for a rule without one.
const AUTOMATIC = 'automatic: this rule chooses τ from the map itself';

function create(host, settings) {
  const parts = Object.fromEntries(
    Object.entries(PARTS).map(([name, selector]) => [name, host.element.querySelector(selector)]));
  const positions = Object.fromEntries(Object.entries(settings.rules).map(([name, {start}]) => [name, start]));
  return {
    host, settings, parts, positions, rule: settings.start_rule, scene: null, picture: null,
    onPaint: [], onShow: [], extras: {},
    announcement: 0,
  };
}

function make(name, parent, fields = {}) {
  return parent.appendChild(Object.assign(document.createElement(name), fields));
}

// Three significant digits of the maximum, and as many decimals for every threshold of the same map.
function number(x, max) {
  return x.toFixed(max > 0 ? Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(max)))) : 0);
}

// The value of the last colour.
function top({parts, scene}, map) {
  return parts.shared.checked ? Math.max(...scene.maps.map(({max}) => max)) : map.max;
}

function isCut({settings, parts}, panel) {
  return settings.together ? parts.cutAll.checked : panel.kept;
}

// [strength, tau, kept area] of a panel: its own, or the one whose kept area is nearest to the first panel's.
function row({settings, parts, scene, rule}, panel) {
  const own = panel.map.tables[rule][parts.strength.value], [first] = scene.panels;
  if (!settings.together || !parts.level.checked || panel === first) return own;
  const area = first.map.tables[rule][parts.strength.value][2], distance = ([, , kept]) => Math.abs(kept - area);
  return [...panel.map.tables.percentile].reduce((best, next) => (distance(next) < distance(best) ? next : best));
}

const target = ({evidence, words}) => evidence === 'against' ? words : `for ${words}`;

// The sentence of dala.render.describe.
function describe(scene, map, area) {
  if (map.max <= 0) {
    const evidence = scene.evidence === 'against' ? 'evidence' : 'positive evidence';
    return `No ${evidence} ${target(scene)} at ${scene.layer}: the map is zero everywhere.`;
  }
  const start = `${map.title} ${target(scene)} is strongest at the ${map.place}; `;
  if (area === 0) return `${start}the dynamic threshold lies above the map's maximum and keeps nothing.`;
  return `${start}the dynamic threshold keeps ${(100 * area).toFixed(1)} % of the area.`;
}

function overview({parts, scene}, areas) {
  const n = scene.panels.length, percent = area => (100 * area).toFixed(1);
  const what = `of the evidence ${target(scene)} at layer ${scene.layer}`;
  const start = n > 1 ? `${n} different maps ${what}` : `One map ${what}: all chosen methods agree`;
  if (!parts.cutAll.checked) return `${start}.`;
  const [low, high] = [Math.min(...areas), Math.max(...areas)].map(percent);
  const kept = low === high ? `${low} %` : `${low} to ${high} %`;
  return `${start}. Above the threshold ${n > 1 ? 'they keep' : 'it keeps'} ${kept} of the area.`;
}

// The slider of the chosen rule's strength, and what it says.
function showStrength({settings, parts, scene, rule, positions}) {
  const {parameter, meaning} = settings.rules[rule], {strength} = parts;
  const steps = scene.maps[0].tables[rule], idle = settings.together && !parts.cutAll.checked;
  Object.assign(strength, {max: steps.length - 1, disabled: steps.length < 2 || idle});
  parts.level.disabled = idle;
  strength.value = positions[rule];
  const value = parameter ? steps[strength.value][0].toFixed(2) : AUTOMATIC;
  strength.setAttribute('aria-valuetext', parameter ? `${parameter} = ${value}` : AUTOMATIC);
  strength.hidden = !parameter;
  parts.strengthName.textContent = `strength ${!parameter || parameter === 'share' ? '' : parameter}`;
  parts.strengthValue.textContent = value;
  parts.meaning.textContent = meaning;
}

function repaint(viewer) {
  const {settings, parts, scene} = viewer;
  if (!scene) return;
  showStrength(viewer);
  const areas = scene.panels.map(panel => paint(viewer, panel));
  if (settings.together) parts.words.textContent = overview(viewer, areas);
  viewer.onPaint.forEach(follow => follow());
  // Announced when the control rests: a screen reader would otherwise queue up every step.
  clearTimeout(viewer.announcement);
  viewer.announcement = setTimeout(() => { parts.live.textContent = parts.words.textContent; }, 600);
}

// Draws a panel and describes it; returns the area that its threshold keeps.
function paint(viewer, panel) {
  const {parts, scene} = viewer, {map, canvas, notice, reading, cut, at} = panel, {probe} = scene;
  const [, tau, area] = row(viewer, panel), text = describe(scene, map, area), thresholded = isCut(viewer, panel);
  const here = probe ? ` · here ${number(map.heat[probe.index], map.max)}` : '';
  cut.hidden = !thresholded;
  notice.textContent = map.max <= 0 ? text : '';
  if (thresholded) {
    paintKept(viewer, panel, tau);
    cut.style.width = `${map.max > 0 ? Math.min(100, Math.max(0, 100 * tau / top(viewer, map))) : 100}%`;
    reading.textContent = `τ = ${number(tau, map.max)} · keeps ${(100 * area).toFixed(1)} %${here}`;
    if (map.max > 0 && area === 0) notice.textContent = 'The threshold lies above the maximum: nothing is kept.';
    parts.words.textContent = text;
  } else {
    if (panel.drawn !== map.blended) draw(panel, map.blended);
    reading.textContent = `raw maximum ${number(map.max, map.max)}${here}`;
  }
  panel.drawn = thresholded ? null : map.blended;
  canvas.setAttribute('aria-label', `${panel.title}. ${text}`);
  at.hidden = !probe;
  if (probe) Object.assign(at.style, {left: `${100 * probe.x}%`, top: `${100 * probe.y}%`});
  return area;
}

function paintKept({settings, parts, scene}, panel, tau) {
  const {out, map} = panel;
  if (map.max <= 0) out.set(scene.plain);
  else dala.looks[parts.look.value].kept(out, scene, map, tau, settings.light);
  draw(panel, out);
}

function draw({out, pen, image}, pixels) {
  if (pixels !== out) out.set(pixels);
  pen.putImageData(image, 0, 0);
}

// Blends all maps anew: after another value, look, palette, opacity or colour scale. A threshold then chooses between
// two finished pictures.
function recolour(viewer) {
  const {settings, parts, scene} = viewer;
  if (!scene) return;
  const colours = dala.pixels.bytes(settings.palettes[parts.palette.value]), alpha = parts.opacity.value / 100;
  const {follows} = dala.looks[parts.look.value];
  for (const map of scene.maps) {
    const max = top(viewer, map);
    map.blended = map.max > 0 ? dala.pixels.blend(scene.tissue, map.heat, max, colours, alpha, follows) : scene.plain;
  }
  const stops = Array.from({length: 17}, (_, i) => 3 * Math.min(255, 16 * i));
  const gradient = stops.map(q => `rgb(${colours.slice(q, q + 3).join()})`).join();
  for (const {bar, most, map} of scene.panels) {
    bar.style.background = `linear-gradient(to right, ${gradient})`;
    most.textContent = number(top(viewer, map), top(viewer, map));
  }
  repaint(viewer);
}

function build(viewer, panel) {
  const {parts, scene} = viewer, {width, height} = scene, map = scene.maps[panel.map];
  const figure = make('figure', parts.panels);
  const head = make('div', figure, {className: 'head'});
  make('h2', head, {textContent: panel.title});
  figure.classList.toggle('kept', Boolean(panel.kept));
  const stage = make('div', figure, {className: 'stage'}), canvas = make('canvas', stage, {width, height});
  canvas.setAttribute('role', 'img');
  const at = make('i', stage, {className: 'at', hidden: true});
  canvas.addEventListener('click', ({offsetX, offsetY}) =>
    probe(viewer, offsetX / canvas.clientWidth, offsetY / canvas.clientHeight));
  const notice = make('p', stage, {className: 'notice'}), scale = make('div', figure, {className: 'scale'});
  make('span', scale, {textContent: '0'});
  const bar = make('div', scale, {className: 'bar'}), cut = make('i', bar);
  const most = make('span', scale, {title: 'the value of the last colour, in raw units'});
  const reading = make('p', figure, {className: 'reading'});
  if (panel.note) make('p', figure, {className: 'reading', textContent: panel.note});
  const image = new ImageData(width, height), out = new Uint32Array(image.data.buffer);
  const pen = canvas.getContext('2d');
  return {...panel, figure, head, stage, map, canvas, at, notice, bar, most, cut, reading, image, out, pen};
}

// Shows every map's raw value at a position, given as fractions of width and height.
function probe(viewer, x, y) {
  const {scene} = viewer, within = v => Math.min(Math.max(v, 0), 1);
  const [column, line] = [within(x) * scene.width, within(y) * scene.height].map(Math.floor);
  const index = Math.min(line, scene.height - 1) * scene.width + Math.min(column, scene.width - 1);
  scene.probe = {x: within(x), y: within(y), index};
  repaint(viewer);
}

async function decode(url) {
  const picture = Object.assign(new Image(), {src: url});
  await picture.decode();
  const {naturalWidth: width, naturalHeight: height} = picture;
  const pen = Object.assign(document.createElement('canvas'), {width, height}).getContext('2d');
  pen.drawImage(picture, 0, 0);
  const tissue = pen.getImageData(0, 0, width, height).data;
  return {width, height, tissue, plain: new Uint32Array(tissue.buffer)};
}

// The picture of an address, which another class or method shares.
async function known({picture: last}, url) {
  return last?.url === url ? last : {url, picture: await decode(url)};
}

function clear(viewer) {
  viewer.scene = null;
  viewer.parts.panels.replaceChildren();
  viewer.parts.notes.replaceChildren();
  viewer.parts.words.textContent = 'Choose a patch.';
  viewer.parts.download.disabled = true;
}

// Draws props.value.
async function show(viewer) {
  const {host: {props}, parts: {panels, download}} = viewer, {cells, upsample, bytes} = dala.pixels;
  const value = props.value;
  panels.setAttribute('aria-busy', String(Boolean(value)));
  if (!value) return clear(viewer);
  const {picture} = viewer.picture = await known(viewer, value.picture);
  if (value.picture !== props.value?.picture || value.words !== props.value.words) return;  // a later value came in
  const {width, height} = picture, {words, evidence, layer} = value, before = viewer.scene;
  const maps = value.maps.map(({raw, grid, cells: flat, ...rest}) =>
    ({...rest, heat: (flat ? cells : upsample)(new Float32Array(bytes(raw).buffer), [...grid], height, width)}));
  const probed = before?.width === width && before.height === height ? before.probe : null;
  viewer.scene = {...picture, words, evidence, layer, maps, probe: probed};
  panels.replaceChildren();
  viewer.scene.panels = [...value.panels].map(panel => build(viewer, panel));
  panels.dataset.count = viewer.scene.panels.length;
  viewer.onShow.forEach(follow => follow());
  panels.setAttribute('aria-busy', 'false');
  download.disabled = false;
  recolour(viewer);
}

dala.mapview = {create, make, number, probe, recolour, repaint, show};
})(globalThis.dala ??= {});
