// Two panels laid over each other, parted by a line that mouse and arrow keys move.
const wipe = (() => {
  const part = find('.wipe'), [left, right] = ['.left', '.right'].map(name => part.querySelector(name));
  const [under, over, line] = ['.under', '.over', '.stage i'].map(name => part.querySelector(name));
  const stage = part.querySelector('.stage'), share = part.querySelector('.share input');

  function repaint() {
    if (!part.open || !view) return;
    for (const [canvas, choice] of [[under, left], [over, right]]) {
      const panel = view.panels[choice.value];
      if (canvas.width !== view.width || canvas.height !== view.height) Object.assign(canvas, {width: view.width, height: view.height});
      canvas.getContext('2d').drawImage(panel.canvas, 0, 0);
      canvas.setAttribute('aria-label', panel.canvas.getAttribute('aria-label'));
    }
    over.style.clipPath = `inset(0 0 0 ${share.value}%)`;
    line.style.left = `${share.value}%`;
    share.setAttribute('aria-valuetext', `${view.panels[left.value].title} up to ${share.value} %, then ${view.panels[right.value].title}`);
  }

  function show() {
    part.hidden = !SETTINGS.together || view.panels.length < 2;
    [left, right].forEach((choice, i) => {
      const title = choice.selectedOptions[0]?.textContent;
      choice.replaceChildren();
      view.panels.forEach((panel, value) => make('option', choice, {value, textContent: panel.title}));
      const kept = view.panels.findIndex(panel => panel.title === title);
      choice.value = kept < 0 ? i : kept;
    });
  }

  function drag(event) {
    if (!event.buttons) return;
    share.value = 100 * event.offsetX / stage.clientWidth;
    repaint();
  }

  for (const choice of [left, right]) choice.addEventListener('change', repaint);
  share.addEventListener('input', repaint);
  part.addEventListener('toggle', repaint);
  stage.addEventListener('pointerdown', drag);
  stage.addEventListener('pointermove', drag);
  return {repaint, show};
})();
