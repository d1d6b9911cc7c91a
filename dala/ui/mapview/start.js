// Fills the controls, binds them, and shows what there is: the last of the map view's scripts.
// Settings, never the picture, stand in the page's address, so that a link shares them.
const asked = new URLSearchParams(location.search), SWITCHES = {outline: contour, dt: cutAll, level, scale: shared};

function remember() {
  // Where nothing was chosen, nothing is written.
  const url = new URL(location.href), {low, step, start, parameter} = RULES[rule];
  const moved = parameter && positions[rule] !== start, first = Object.keys(PALETTES)[0];
  const told = {
    rule: rule === SETTINGS.start_rule ? null : rule, strength: moved ? (low + step * positions[rule]).toFixed(2) : null,
    palette: palette.value === first ? null : palette.value, opacity: Number(opacity.value) === SETTINGS.opacity ? null : opacity.value,
    ...Object.fromEntries(Object.entries(SWITCHES).map(([name, box]) => [name, box.checked ? 1 : null])),
  };
  for (const [name, value] of Object.entries(told)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  history.replaceState(history.state, '', url);
}

function recall() {
  if (RULES[asked.get('rule')]) rule = asked.get('rule');
  const {low, high, step, parameter} = RULES[rule], strength = Number(asked.get('strength') ?? NaN);
  if (parameter && strength >= low && strength <= high) positions[rule] = Math.round((strength - low) / step);
  if (PALETTES[asked.get('palette')]) palette.value = asked.get('palette');
  const share = Number(asked.get('opacity') ?? NaN);
  if (share >= 0 && share <= 100) opacity.value = share;
  for (const [name, box] of Object.entries(SWITCHES)) box.checked = asked.get(name) === '1';
}

for (const name of Object.keys(RULES)) positions[name] = RULES[name].start;
for (const name of Object.keys(PALETTES)) make('option', palette, {value: name, textContent: name});
opacity.value = SETTINGS.opacity;
recall();
for (const [name, {label}] of Object.entries(RULES)) {
  const line = make('label', rules);
  radios[name] = make('input', line, {type: 'radio', name: `rule-${SETTINGS.uid}`, value: name, checked: name === rule});
  line.append(label);
}
download.disabled = true;

rules.addEventListener('change', event => { rule = event.target.value; repaint(); });
strength.addEventListener('input', () => { positions[rule] = Number(strength.value); repaint(); });
opacity.addEventListener('input', recolour);
palette.addEventListener('change', recolour);
contour.addEventListener('change', repaint);
shared.addEventListener('change', recolour);
cutAll.addEventListener('change', repaint);
level.addEventListener('change', repaint);
element.addEventListener('change', remember);
find('.together').hidden = !SETTINGS.together;
panels.tabIndex = 0;
panels.addEventListener('keydown', event => {
  const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (!view || !step) return;
  event.preventDefault();
  const {x, y} = view.probe ?? {x: 0.5, y: 0.5};
  probe(x + step[0] / 50, y + step[1] / 50);
});
download.addEventListener('click', () => trigger('download', {
  rule, strength: view.maps[0].tables[rule][strength.value][0], opacity: opacity.value / 100,
  palette: palette.value, contour: contour.checked, cut: cutAll.checked, shared: shared.checked, level: level.checked,
  ...Object.fromEntries(Object.entries(extras).map(([name, ask]) => [name, ask()])),
  strengths: Object.fromEntries(Object.keys(RULES).map(name => [name, view.maps[0].tables[name][positions[name]][0]])),
}));
find('.link').addEventListener('click', async event => {
  const button = event.target;
  remember();
  await navigator.clipboard.writeText(location.href);
  button.textContent = 'copied';
  setTimeout(() => { button.textContent = 'copy link'; }, 2000);
});
watch('value', show);
show();
