// Starts a map view: fills its controls, binds them, and draws what there is.
// The settings, never the picture, are kept in the page's address, so that a link shares them.
(dala => {
'use strict';

const switches = ({cutAll, level, shared}) => ({dt: cutAll, level, scale: shared});

// Settings into the page's address; defaults are left out.
function remember({settings, parts, rule, positions}) {
  const {low, step, start, parameter} = settings.rules[rule], [first] = Object.keys(settings.palettes);
  const moved = parameter && positions[rule] !== start, {palette, opacity, look} = parts;
  dala.address.write({
    rule: rule === settings.start_rule ? null : rule,
    strength: moved ? (low + step * positions[rule]).toFixed(2) : null,
    palette: palette.value === first ? null : palette.value,
    look: look.value === settings.start_look ? null : look.value,
    opacity: Number(opacity.value) === settings.looks[look.value].opacity ? null : opacity.value,
    ...Object.fromEntries(Object.entries(switches(parts)).map(([name, box]) => [name, box.checked])),
  });
}

// Settings out of the page's address; unknown and impossible ones are ignored.
function recall(viewer) {
  const {settings, parts, positions} = viewer, query = dala.address.query();
  if (settings.rules[query.get('rule')]) viewer.rule = query.get('rule');
  const {low, high, step, parameter} = settings.rules[viewer.rule], strength = Number(query.get('strength') ?? NaN);
  if (parameter && strength >= low && strength <= high) positions[viewer.rule] = Math.round((strength - low) / step);
  if (settings.palettes[query.get('palette')]) parts.palette.value = query.get('palette');
  if (settings.looks[query.get('look')]) parts.look.value = query.get('look');
  parts.opacity.value = settings.looks[parts.look.value].opacity;
  const opacity = Number(query.get('opacity') ?? NaN);
  if (opacity >= 0 && opacity <= 100) parts.opacity.value = opacity;
  for (const [name, box] of Object.entries(switches(parts))) box.checked = query.get(name) === '1';
}

function fill(viewer) {
  const {make} = dala.mapview, {settings, parts} = viewer;
  for (const name of Object.keys(settings.palettes)) make('option', parts.palette, {value: name, textContent: name});
  for (const [value, {title}] of Object.entries(settings.looks)) {
    make('option', parts.look, {value, textContent: title});
  }
  parts.look.value = settings.start_look;
  recall(viewer);
  for (const [name, {label}] of Object.entries(settings.rules)) {
    const line = make('label', parts.rules), checked = name === viewer.rule;
    make('input', line, {type: 'radio', name: `rule-${settings.uid}`, value: name, checked});
    line.append(label);
  }
  parts.download.disabled = true;
  parts.together.hidden = !settings.together;
  parts.panels.tabIndex = 0;
}

// What a download event carries: every setting as it is on screen.
function chosen({settings, parts, scene, rule, positions, extras}) {
  const strength = name => scene.maps[0].tables[name][positions[name]][0];
  return {
    rule, strength: strength(rule), opacity: parts.opacity.value / 100, palette: parts.palette.value,
    look: parts.look.value, cut: parts.cutAll.checked, shared: parts.shared.checked, level: parts.level.checked,
    ...Object.fromEntries(Object.entries(extras).map(([name, value]) => [name, value()])),
    strengths: Object.fromEntries(Object.keys(settings.rules).map(name => [name, strength(name)])),
  };
}

function copyLink(viewer) {
  const {link, address} = viewer.parts;
  remember(viewer);
  dala.address.copy(link, address);
}

// The arrow keys move the probe by a fiftieth of the picture.
function moveProbe(viewer, event) {
  const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (!viewer.scene || !step) return;
  event.preventDefault();
  const {x, y} = viewer.scene.probe ?? {x: 0.5, y: 0.5};
  dala.mapview.probe(viewer, x + step[0] / 50, y + step[1] / 50);
}

function bind(viewer) {
  const {host, parts, positions} = viewer;
  const repaint = () => dala.mapview.repaint(viewer), recolour = () => dala.mapview.recolour(viewer);
  parts.rules.addEventListener('change', event => { viewer.rule = event.target.value; repaint(); });
  parts.strength.addEventListener('input', () => { positions[viewer.rule] = Number(parts.strength.value); repaint(); });
  parts.opacity.addEventListener('input', recolour);
  parts.look.addEventListener('change', () => {
    parts.opacity.value = viewer.settings.looks[parts.look.value].opacity;
    recolour();
  });
  for (const control of [parts.palette, parts.shared]) control.addEventListener('change', recolour);
  for (const control of [parts.cutAll, parts.level]) control.addEventListener('change', repaint);
  host.element.addEventListener('change', () => remember(viewer));
  parts.panels.addEventListener('keydown', event => moveProbe(viewer, event));
  parts.download.addEventListener('click', () => host.trigger('download', chosen(viewer)));
  parts.link.addEventListener('click', () => copyLink(viewer));
}

// host: {element, props, trigger, watch}, from Gradio; settings: from dala.ui.mapview.
dala.start = (host, settings) => {
  const viewer = dala.mapview.create(host, settings), show = () => dala.mapview.show(viewer);
  dala.frame.attach(viewer);
  dala.wipe.attach(viewer);
  fill(viewer);
  bind(viewer);
  host.watch('value', show);
  show();
  if (settings.charts) dala.measure.attach(viewer);
};
})(globalThis.dala ??= {});
