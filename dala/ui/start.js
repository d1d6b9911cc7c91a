// Fills the controls, binds them, and shows what there is: the last of the map view's scripts.
for (const [name, {label}] of Object.entries(RULES)) {
  positions[name] = RULES[name].start;
  const line = make('label', rules);
  radios[name] = make('input', line, {type: 'radio', name: `rule-${SETTINGS.uid}`, value: name, checked: name === rule});
  line.append(label);
}
for (const name of Object.keys(PALETTES)) make('option', palette, {value: name, textContent: name});
opacity.value = SETTINGS.opacity;
download.disabled = true;

rules.addEventListener('change', event => { rule = event.target.value; repaint(); });
strength.addEventListener('input', () => { positions[rule] = Number(strength.value); repaint(); });
opacity.addEventListener('input', recolour);
palette.addEventListener('change', recolour);
contour.addEventListener('change', repaint);
shared.addEventListener('change', recolour);
cutAll.addEventListener('change', repaint);
level.addEventListener('change', repaint);
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
}));
watch('value', show);
show();
