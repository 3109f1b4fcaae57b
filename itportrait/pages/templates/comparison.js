(() => {
  const find = (selector, within = document) => [...within.querySelectorAll(selector)];
  const content = id => JSON.parse(document.getElementById(id).textContent);
  const names = document.getElementById('view-names') ? content('view-names') : [];
  const slider = document.getElementById('turn-all');
  const clamp = (value, most) => Math.max(0, Math.min(most, value));

  // Pictures of a panel are decoded when it is shown, and let go when another is.
  const fill = panel => {
    const strips = {};
    for (const image of find('img[data-strip]', panel)) {
      const [script, position] = image.dataset.strip.split(':');
      strips[script] ??= content('strips-' + script);
      image.decoding = 'async';
      image.src = 'data:image/webp;base64,' + strips[script][position];
    }
  };
  const empty = panel => find('img[data-strip]', panel).forEach(image => image.removeAttribute('src'));
  const choose = (name, position) => {
    for (const panel of find('[data-panel="' + name + '"]')) {
      const shown = panel.dataset.position === position;
      if (shown && name === 'pictures') fill(panel);
      if (!shown && !panel.hidden && name === 'pictures') empty(panel);
      panel.hidden = !shown;
    }
  };
  find('[data-choice]').forEach(input => input.addEventListener('change', () => choose(input.dataset.choice, input.value)));
  find('[data-panel="pictures"]:not([hidden])').forEach(fill);

  const views = cell => Number(cell.dataset.views);
  const turn = (cell, view) => {
    const image = cell.firstElementChild;
    cell.dataset.view = view;
    image.style.setProperty('--view', view);
    image.alt = image.dataset.alt + (view ? ', ' + (names[view] ?? 'view ' + (view + 1)) : '');
  };
  const rest = cell => turn(cell, clamp(slider ? Number(slider.value) : 0, views(cell) - 1));
  // The input's own view comes first and is shown at rest; the others follow the pointer.
  const follow = (cell, event) => {
    const box = cell.getBoundingClientRect(), most = views(cell) - 1;
    const share = (event.clientX - box.left) / box.width;
    turn(cell, 1 + clamp(Math.floor(share * most), most - 1));
  };
  slider?.addEventListener('input', () => {
    slider.nextElementSibling.value = names[slider.value];
    find('.cell[data-views]').forEach(rest);
  });

  let begun = null, dragged = false;
  const turnable = event => {
    const cell = event.target.closest?.('.cell[data-views]');
    return cell && views(cell) > 1 ? cell : null;
  };
  for (const grid of find('.grid')) {
    grid.addEventListener('pointerdown', event => {
      begun = turnable(event) && { cell: turnable(event), x: event.clientX };
      dragged = false;
    });
    grid.addEventListener('pointermove', event => {
      if (begun && Math.abs(event.clientX - begun.x) > 6) dragged = true;
      const cell = begun ? begun.cell : event.pointerType === 'touch' ? null : turnable(event);
      if (cell && (!begun || dragged)) follow(cell, event);
    });
    grid.addEventListener('pointerout', event => {
      const cell = turnable(event);
      if (cell && !begun && !cell.contains(event.relatedTarget)) rest(cell);
    });
    // A drag ends with a click, which shall not enlarge the picture.
    grid.addEventListener('click', event => { if (dragged) event.stopPropagation(); dragged = false; }, true);
    grid.addEventListener('keydown', event => {
      const cell = event.target.closest('.cell');
      if (!cell || event.target !== cell) return;
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], line = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
      if (step && cell.dataset.views) turn(cell, (Number(cell.dataset.view || 0) + step + views(cell)) % views(cell));
      else if (line) cell.parentElement[line]?.children[[...cell.parentElement.children].indexOf(cell)]?.focus();
      else if ((event.key === 'Enter' || event.key === ' ') && cell.dataset.views) cell.firstElementChild.click();
      else return;
      event.preventDefault();
    });
  }
  for (const name of ['pointerup', 'pointercancel']) addEventListener(name, () => { begun = null; });
})();
