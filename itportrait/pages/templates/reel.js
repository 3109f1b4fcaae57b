// Frames lie side by side in one picture; the slider, with its keys, chooses the one that shows.
for (const reel of document.querySelectorAll('.reel')) {
  const image = reel.querySelector('img'), slider = reel.querySelector('input');
  const show = () => reel.style.setProperty('--view', slider.value);
  slider.addEventListener('input', show);
  image.draggable = false;
  let begun = null;
  image.addEventListener('pointerdown', event => {
    begun = { x: event.clientX, value: Number(slider.value) };
    image.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true });
    event.preventDefault();
  });
  image.addEventListener('pointermove', event => {
    if (!begun) return;
    const moved = (event.clientX - begun.x) / image.getBoundingClientRect().width;
    slider.value = Math.round(begun.value + moved * slider.max);
    show();
  });
  for (const name of ['pointerup', 'pointercancel']) image.addEventListener(name, () => { begun = null; });
}
